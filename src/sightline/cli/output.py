"""Results go to standard output: a short table, or JSON."""

import json
import sys
from collections.abc import Sequence
from typing import Any


def say(text: str) -> None:
    """Write a line of result."""
    sys.stdout.write(text + "\n")


def say_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write a result as JSON; NaN and infinity become null."""
    finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
    say(json.dumps(finite, indent=2, ensure_ascii=False))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table in columns: the first flush left, the others flush right.

    >>> print(table(["recipe", "macro-F1"], [["plain", "0.31"], ["isnet", "0.80"]]))
    recipe  macro-F1
    plain       0.31
    isnet       0.80
    """
    widths = [max(len(row[index]) for row in [head, *rows]) for index in range(len(head))]
    lines = []
    for row in [head, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
