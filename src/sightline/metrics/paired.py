"""Tests of whether two rows of numbers differ: of the same cases, or of two groups. Two-sided, SciPy's.

They take the numbers as independent. Where patients have several images, `bootstrap` the difference instead, or hand in
one mean a patient.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from sightline.errors import ShapeError
from sightline.metrics.averages import Array
from sightline.metrics.intervals import Interval, check_level


@dataclass(frozen=True)
class DifferenceTest:
    """How two means differ, and how surely.

    Attributes:
        statistic: of the test; NaN where it is undefined.
        p: chance of a statistic as far out if there were no difference; NaN where it is undefined.
        difference: mean of the first less mean of the second, with its interval.
    """

    statistic: float
    p: float
    difference: Interval

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return {"statistic": self.statistic, "p": self.p, "difference": self.difference.as_dict()}


def paired_t_test(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> DifferenceTest:
    """Student's t-test of the differences of pairs, and the t-interval of their mean.

    Args:
        first: `(N,)`; pairs with a NaN are left out, `difference.n` says how many stayed.
        second: of the same cases, in the same order.
        level: of the interval.

    Returns:
        Undefined (NaN) for fewer than two pairs, or where the differences do not vary.

    Raises:
        ShapeError: the rows do not fit.
        SettingsError: the level lies outside (0, 1).
    """
    a, b = pairs_known(first, second)
    interval = _paired_interval(a, b, level)
    if np.isnan(interval.low):
        return DifferenceTest(np.nan, np.nan, interval)
    found = stats.ttest_rel(a, b)
    return DifferenceTest(float(found.statistic), float(found.pvalue), interval)


def wilcoxon_signed_rank(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> DifferenceTest:
    """Wilcoxon's signed-rank test of the differences of pairs, which asks for no normal distribution.

    Args:
        first: `(N,)`; pairs with a NaN are left out, pairs without a difference have no rank.
        second: of the same cases, in the same order.
        level: of the interval.

    Returns:
        The lesser sum of ranks; undefined (NaN) where no pair differs. The interval is that of `paired_t_test`.

    Raises:
        ShapeError: the rows do not fit.
        SettingsError: the level lies outside (0, 1).

    Reference:
        Wilcoxon 1945, doi:10.2307/3001968.
    """
    a, b = pairs_known(first, second)
    interval = _paired_interval(a, b, level)
    if not (a != b).any():
        return DifferenceTest(np.nan, np.nan, interval)
    found = stats.wilcoxon(a, b)
    return DifferenceTest(float(found.statistic), float(found.pvalue), interval)


def welch_t_test(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> DifferenceTest:
    """Welch's t-test of two groups of other cases, whose variances may differ, and the interval of its difference.

    Args:
        first: `(N,)`; NaN are left out.
        second: `(M,)`; likewise.
        level: of the interval.

    Returns:
        `difference.n` counts both groups. Undefined (NaN) where a group has fewer than two numbers, or neither varies.

    Raises:
        ShapeError: a group has another number of axes.
        SettingsError: the level lies outside (0, 1).

    Reference:
        Welch 1947, doi:10.1093/biomet/34.1-2.28.
    """
    check_level(level)
    a, b = row_known(first), row_known(second)
    value = float(a.mean() - b.mean()) if len(a) and len(b) else np.nan
    n, method = len(a) + len(b), "Welch's t"
    if min(len(a), len(b)) < 2 or not (varies(a) or varies(b)):
        return DifferenceTest(np.nan, np.nan, Interval(value, np.nan, np.nan, n, method, level))
    found = stats.ttest_ind(a, b, equal_var=False)
    limits = found.confidence_interval(level)
    interval = Interval(value, float(limits.low), float(limits.high), n, method, level)
    return DifferenceTest(float(found.statistic), float(found.pvalue), interval)


def _paired_interval(a: Array, b: Array, level: float) -> Interval:
    check_level(level)
    difference, method = a - b, "Student's t of paired differences"
    if not len(difference):
        return Interval(np.nan, np.nan, np.nan, 0, method, level)
    value = float(difference.mean())
    if not varies(difference):
        return Interval(value, np.nan, np.nan, len(difference), method, level)
    limits = stats.ttest_rel(a, b).confidence_interval(level)
    return Interval(value, float(limits.low), float(limits.high), len(difference), method, level)


def varies(values: Array) -> bool:
    """Whether numbers differ by more than rounding."""
    if len(values) < 2:
        return False
    return bool(np.abs(values - values.mean()).max() > 16 * np.finfo(np.float64).eps * np.abs(values).max())


def pairs_known(first: ArrayLike, second: ArrayLike) -> tuple[Array, Array]:
    """Keep the pairs of two rows in which both numbers are known.

    Raises:
        ShapeError: they are not two rows of one length.
    """
    a, b = _row(first), _row(second)
    if a.shape != b.shape:
        raise ShapeError(f"pairs must be two rows (N,) of one length, got {a.shape} and {b.shape}")
    known = ~(np.isnan(a) | np.isnan(b))
    return a[known], b[known]


def row_known(values: ArrayLike) -> Array:
    """Keep the numbers of a row that are known.

    Raises:
        ShapeError: it is no row.
    """
    row = _row(values)
    return row[~np.isnan(row)]


def _row(values: ArrayLike) -> Array:
    row = np.asarray(values, np.float64)
    if row.ndim != 1:
        raise ShapeError(f"values must be a row (N,), got {row.shape}")
    return row
