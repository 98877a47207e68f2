"""Labels mined from reports: sure, uncertain or left out."""

import math
from collections.abc import Sequence
from typing import Literal

from sightline.data.cohort import did_you_mean
from sightline.errors import DataError, SettingsError

Reading = Literal["negative", "positive", "unknown"]
_VALUES: dict[Reading, float] = {"negative": 0.0, "positive": 1.0, "unknown": math.nan}


def label_of(cell: str, column: str, *, uncertain: Reading, blank: Reading, title: str) -> float:
    """Return the label of a cell that holds 1, 0, -1 for uncertain, or nothing: a number in [0, 1] or NaN.

    Raises:
        DataError: it holds something else.
    """
    if not cell:
        return _VALUES[blank]
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if value not in (-1, 0, 1):
        raise DataError(f"{title}: column {column!r} must hold 1, 0, -1 or nothing, got {cell!r}")
    return _VALUES[uncertain] if value < 0 else value


def check_classes(classes: Sequence[str], known: Sequence[str], *, title: str) -> None:
    """Check which classes of a data set were asked for.

    Raises:
        SettingsError: there are none, one is there twice, or the data set does not have it.
    """
    if not classes or len(set(classes)) < len(classes):
        raise SettingsError(f"classes must be one or more different names, got {', '.join(classes) or 'none'}")
    for name in classes:
        if name not in known:
            hint = did_you_mean(name, known)
            raise SettingsError(f"{title} has no class {name!r}{hint}; there are {', '.join(known)}")
