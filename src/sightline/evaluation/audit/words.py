"""Numbers in sentences."""

import math
from collections.abc import Iterable

from sightline.metrics import Interval


def percent(share: Interval) -> str:
    """`12 % (8 to 17 %)`; without limits where there are none.

    >>> percent(Interval(0.1234, 0.08, 0.17, 100, "Wilson score"))
    '12 % (8 to 17 %)'
    """
    if share.value != share.value:
        return "an unknown share"
    limits = "" if share.low != share.low else f" ({100 * share.low:.0f} to {100 * share.high:.0f} %)"
    return f"{100 * share.value:.0f} %{limits}"


def plain(number: Interval) -> str:
    """`0.81 (0.77 to 0.85)`.

    >>> plain(Interval(0.81, 0.77, 0.851, 100, "bootstrap"))
    '0.81 (0.77 to 0.85)'
    """
    if number.value != number.value:
        return "undefined"
    limits = "" if number.low != number.low else f" ({number.low:.2f} to {number.high:.2f})"
    return f"{number.value:.2f}{limits}"


def signed(number: Interval) -> str:
    """`-0.12 (-0.15 to -0.08)`.

    >>> signed(Interval(0.1, -0.01, 0.2, 100, "bootstrap"))
    '+0.10 (-0.01 to +0.20)'
    """
    if number.value != number.value:
        return "undefined"
    limits = "" if number.low != number.low else f" ({number.low:+.2f} to {number.high:+.2f})"
    return f"{number.value:+.2f}{limits}"


def those(words: Iterable[str]) -> str:
    """`a, b and c`.

    >>> those(["a", "b", "c"])
    'a, b and c'
    """
    rows = list(words)
    return " and ".join(filter(None, (", ".join(rows[:-1]), rows[-1] if rows else "")))


def percent_of(share: float) -> str:
    """Write a share of one case in whole per cent.

    >>> percent_of(0.137), percent_of(float("nan"))
    ('14 %', 'an unknown share')
    """
    return f"{100 * share:.0f} %" if math.isfinite(share) else "an unknown share"


def counted(count: int, noun: str) -> str:
    """Write a count with its noun.

    >>> counted(1, "case"), counted(2, "case")
    ('1 case', '2 cases')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"
