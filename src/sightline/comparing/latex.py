r"""The table of a comparison as LaTeX, for `\usepackage{booktabs}`."""

import re
from collections.abc import Mapping, Sequence

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def latex_table(head: Sequence[str], rows: Mapping[str, Sequence[str]], *, caption: str) -> str:
    """Write a table whose first column names its rows.

    Args:
        head: names of the columns, the first one that of the rows.
        rows: cells by name of the row, one less than `head`.
        caption: what the numbers are.
    """
    lines = [
        r"\begin{table}",
        rf"\caption{{{escape(caption)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"\toprule",
        f"{' & '.join(map(escape, head))} \\\\",
        r"\midrule",
        *(f"{' & '.join(map(escape, (name, *cells)))} \\\\" for name, cells in rows.items()),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return text that LaTeX sets as it is."""
    return re.sub(r"[\\~^&%$#_{}]", lambda found: _SPECIAL.get(found[0], f"\\{found[0]}"), text)
