"""Groups of patients that a cohort tells apart: by source, sex, age band and view."""

import re
from collections.abc import Callable, Mapping, Sequence

from sightline.data.cohort import Case

AGE_BANDS: Mapping[str, tuple[float, float]] = {
    "under 18": (0, 18),
    "18 to 39": (18, 40),
    "40 to 59": (40, 60),
    "60 to 79": (60, 80),
    "80 and over": (80, 130),
}
"""Years, from the first to below the last."""
_UNKNOWN = {"", "unknown", "unk", "u", "o", "other", "na", "n/a", "nan", "none", "null", "-", "?"}
_SEX = {"m": "male", "male": "male", "man": "male", "f": "female", "female": "female", "w": "female", "woman": "female"}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([ymwd]?)[a-z]*")
_PER_YEAR = {"": 1.0, "y": 1.0, "m": 12.0, "w": 52.18, "d": 365.25}


def groups_of(cases: Sequence[Case], *, least: int) -> dict[str, tuple[bool | None, ...]]:
    """Find the groups that are large enough to be compared with all others of whom the same is known.

    Args:
        cases: N cases.
        least: patients that a group, and the others, must have.

    Returns:
        By group, such as `source east` or `age 40 to 59`, who belongs to it (True), to the others (False), or to
        neither because it is not known (None), `(N,)`.
    """
    found: dict[str, tuple[bool | None, ...]] = {}
    for kind, read in _READERS.items():
        values = [read(case) for case in cases]
        for value in sorted({value for value in values if value}):
            people = {case.patient for case, own in zip(cases, values, strict=True) if own == value}
            others = {case.patient for case, own in zip(cases, values, strict=True) if own and own != value}
            if min(len(people), len(others)) >= least:
                found[f"{kind} {value}"] = tuple(own == value if own else None for own in values)
    return found


def age_band(text: str) -> str:
    """Return the band of an age as text, in years or as DICOM writes it; empty where it is none.

    >>> age_band("63"), age_band("004M"), age_band("045Y"), age_band("?")
    ('60 to 79', 'under 18', '40 to 59', '')
    """
    found = _AGE.fullmatch(text.strip().lower())
    if not found:
        return ""
    years = float(found[1]) / _PER_YEAR[found[2]]
    return next((name for name, (low, high) in AGE_BANDS.items() if low <= years < high), "")


def _known(text: str) -> str:
    return "" if text.strip().casefold() in _UNKNOWN else text.strip()


_READERS: Mapping[str, Callable[[Case], str]] = {
    "source": lambda case: _known(case.source),
    "sex": lambda case: _SEX.get(case.about.get("sex", "").strip().casefold(), ""),
    "age": lambda case: age_band(case.about.get("age", "")),
    "view": lambda case: _known(case.about.get("view", "")).casefold(),
}
