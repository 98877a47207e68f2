"""Tests of whether several groups of numbers have one mean, and which two have not. SciPy's.

They take all numbers as independent. Where the groups are models and the numbers their scores of the same images, they
are not: the tests then find less than `paired_t_test` or `wilcoxon_signed_rank` of two models would.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from sightline.errors import DataError, ShapeError
from sightline.metrics.averages import Array
from sightline.metrics.intervals import check_level


@dataclass(frozen=True)
class GroupTest:
    """Whether groups have one mean.

    Attributes:
        statistic: Fisher's F; NaN where it is undefined.
        p: chance of a greater one if there were no difference; NaN where it is undefined.
        groups: how many.
        n: numbers in all of them.
    """

    statistic: float
    p: float
    groups: int
    n: int

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class PairDifference:
    """How the means of two of several groups differ.

    Attributes:
        first: name of a group.
        second: of another.
        difference: mean of the first less mean of the second.
        low: lower limit, simultaneous for all pairs.
        high: upper limit.
        p: adjusted for the number of pairs; NaN where it is undefined.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return asdict(self)


def one_way_anova(groups: Mapping[str, ArrayLike]) -> GroupTest:
    """Analysis of variance with one factor.

    Args:
        groups: numbers by name of the group, `(N,)` each; NaN are left out.

    Returns:
        Undefined (NaN) where a group is empty, or no group varies.

    Raises:
        DataError: there are fewer than two groups.
        ShapeError: a group is no row.
    """
    rows = _rows(groups)
    n = sum(map(len, rows.values()))
    if min(map(len, rows.values())) < 1 or n <= len(rows) or not any(np.ptp(row) > 0 for row in rows.values()):
        return GroupTest(np.nan, np.nan, len(rows), n)
    found = stats.f_oneway(*rows.values())
    return GroupTest(float(found.statistic), float(found.pvalue), len(rows), n)


def tukey_hsd(groups: Mapping[str, ArrayLike], *, level: float = 0.95) -> list[PairDifference]:
    """Tukey's honestly significant differences of all pairs, in Kramer's form for groups of unequal size.

    Args:
        groups: numbers by name of the group, `(N,)` each; NaN are left out.
        level: of the intervals together.

    Returns:
        All pairs, in order; p and limits undefined (NaN) where a group has fewer than two numbers, or no group varies.

    Raises:
        DataError: there are fewer than two groups.
        ShapeError: a group is no row.
        SettingsError: the level lies outside (0, 1).

    Reference:
        Tukey 1949, doi:10.2307/3001913; Kramer 1956, doi:10.2307/3001469.
    """
    check_level(level)
    rows = _rows(groups)
    names = list(rows)
    size = (len(names), len(names))
    p, low, high = (np.full(size, np.nan) for _ in range(3))
    if min(map(len, rows.values())) > 1 and any(np.ptp(row) > 0 for row in rows.values()):
        found = stats.tukey_hsd(*rows.values())
        limits = found.confidence_interval(level)
        p, low, high = found.pvalue, limits.low, limits.high
    means = [float(row.mean()) if len(row) else np.nan for row in rows.values()]
    return [
        PairDifference(names[i], names[j], means[i] - means[j], float(low[i, j]), float(high[i, j]), float(p[i, j]))
        for i, j in combinations(range(len(names)), 2)
    ]


def _rows(groups: Mapping[str, ArrayLike]) -> dict[str, Array]:
    rows = {name: np.asarray(values, np.float64) for name, values in groups.items()}
    if len(rows) < 2:
        raise DataError(f"groups must be two at least, got {len(rows)}")
    for name, row in rows.items():
        if row.ndim != 1:
            raise ShapeError(f"group {name} must be a row (N,), got {row.shape}")
    return {name: row[~np.isnan(row)] for name, row in rows.items()}
