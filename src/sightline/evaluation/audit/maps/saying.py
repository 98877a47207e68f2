"""Shares and counts in sentences, beside `sightline.evaluation.audit.words`."""

import math


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
