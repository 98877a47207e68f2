"""Sex and age in one spelling, however a data set writes them."""

import math
import re

from sightline.errors import DataError

_FEMALE, _MALE = re.compile(r"f|femal|female", re.IGNORECASE), re.compile(r"m|male", re.IGNORECASE)
_AGE = re.compile(
    r"(\d+(?:\.\d+)?)\s*(?:(y|yrs?|years?)|(m|months?)|(w|weeks?)|(d|days?))?(?:\s+old)?\.?", re.IGNORECASE
)
_PER_YEAR = (1.0, 12.0, 365.25 / 7, 365.25)  # years, months, weeks, days


def sex_of(cell: str) -> str:
    """Return `F` or `M`; empty for anything else, such as `O` or `unknown`."""
    word = cell.strip()
    return "F" if _FEMALE.fullmatch(word) else "M" if _MALE.fullmatch(word) else ""


def age_of(cell: str, column: str, *, title: str) -> float:
    """Read an age such as `60`, `060Y`, `18 months` or `64days`, years; NaN where it is left out.

    Args:
        cell: the text.
        column: where it stands, for the message.
        title: of the data set, for the message.

    Raises:
        DataError: it is something else.
    """
    if not cell.strip():
        return math.nan
    found = _AGE.fullmatch(cell.strip())
    if found is None:
        raise DataError(f"{title}: column {column!r} must hold ages such as 60 or 060Y, got {cell!r}")
    unit = next((place for place, word in enumerate(found.groups()[1:]) if word), 0)
    return float(found[1]) / _PER_YEAR[unit]


def age_text(years: float) -> str:
    """Write an age for a table, years; empty for NaN."""
    return "" if math.isnan(years) else f"{years:.4g}"


def filled(**about: str) -> dict[str, str]:
    """Return what is known, without what is empty."""
    return {name: value for name, value in about.items() if value}
