r"""Tests of whether a difference is too small to matter: "the bias does not move it".

A p-value above 0.05 says that no difference was found, which little data do as well. Here the null hypothesis is that
there *is* a difference of at least the margin, and it takes data to reject it: two one-sided tests, each at $\alpha$,
which is to say that the interval of level $1 - 2\alpha$ lies within the margin. Choose the margin before looking, as
the difference that a reader would not mind.

Reference:
    Schuirmann 1987, doi:10.1007/BF01068419; Westlake 1981, doi:10.2307/2530259 (intervals).
"""

from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from sightline.errors import SettingsError
from sightline.metrics.intervals import Interval, check_level
from sightline.metrics.paired import paired_t_test, pairs_known, row_known, welch_t_test


@dataclass(frozen=True)
class Equivalence:
    """Whether a difference lies within a margin.

    Attributes:
        equivalent: the interval lies within the margin; None where the data do not say.
        margin: greatest difference, up or down, that does not matter.
        difference: with its interval of level 1 - 2 alpha.
        p: the greater of the two one-sided p-values; NaN where undefined, or where only an interval was given.
    """

    equivalent: bool | None
    margin: float
    difference: Interval
    p: float = float("nan")

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return {
            "equivalent": self.equivalent,
            "margin": self.margin,
            "difference": self.difference.as_dict(),
            "p": self.p,
        }


def equivalent_within(difference: Interval, *, margin: float) -> Equivalence:
    """Ask of any interval of a difference, such as one that `bootstrap` gave, whether it lies within a margin.

    Args:
        difference: of level 0.9 for a test at 0.05; one of level 0.95 tests at 0.025.
        margin: greatest difference, up or down, that does not matter.

    Returns:
        Undecided (None) where a limit is NaN.

    Raises:
        SettingsError: the margin is not positive.
    """
    if not margin > 0:
        raise SettingsError(f"margin must be a difference above 0, got {margin}")
    if isnan(difference.low) or isnan(difference.high):
        return Equivalence(None, margin, difference)
    return Equivalence(-margin < difference.low and difference.high < margin, margin, difference)


def tost_paired(first: ArrayLike, second: ArrayLike, *, margin: float, alpha: float = 0.05) -> Equivalence:
    """Test by Student's t of the differences of pairs whether their mean lies within a margin.

    Args:
        first: `(N,)`; pairs with a NaN are left out, `difference.n` says how many stayed.
        second: of the same cases, in the same order.
        margin: greatest difference, up or down, that does not matter.
        alpha: chance of taking a difference of the margin for equivalent, over 0 to 0.5.

    Returns:
        Undecided (None, NaN) for fewer than two pairs, or where the differences do not vary.

    Raises:
        ShapeError: the rows do not fit.
        SettingsError: the margin is not positive, or alpha lies outside (0, 0.5).
    """
    level = _level(alpha)
    a, b = pairs_known(first, second)
    decided = equivalent_within(paired_t_test(a, b, level=level).difference, margin=margin)
    if decided.equivalent is None:
        return decided
    difference = a - b
    error = difference.std(ddof=1) / len(difference) ** 0.5
    return _with_p(decided, float(error), len(difference) - 1)


def tost_welch(first: ArrayLike, second: ArrayLike, *, margin: float, alpha: float = 0.05) -> Equivalence:
    """Test by Welch's t whether the means of two groups of other cases lie within a margin of each other.

    Args:
        first: `(N,)`; NaN are left out.
        second: `(M,)`; likewise.
        margin: greatest difference, up or down, that does not matter.
        alpha: chance of taking a difference of the margin for equivalent, over 0 to 0.5.

    Returns:
        Undecided (None, NaN) where a group has fewer than two numbers, or neither varies.

    Raises:
        ShapeError: a group is no row.
        SettingsError: the margin is not positive, or alpha lies outside (0, 0.5).
    """
    level = _level(alpha)
    decided = equivalent_within(welch_t_test(first, second, level=level).difference, margin=margin)
    if decided.equivalent is None:
        return decided
    parts = [row.var(ddof=1) / len(row) for row in (row_known(first), row_known(second))]
    sizes = [len(row_known(row)) for row in (first, second)]
    freedom = sum(parts) ** 2 / sum(part**2 / (n - 1) for part, n in zip(parts, sizes, strict=True))
    return _with_p(decided, float(np.sqrt(sum(parts))), float(freedom))


def _with_p(decided: Equivalence, error: float, freedom: float) -> Equivalence:
    value, margin = decided.difference.value, decided.margin
    p = max(stats.t.sf((value + margin) / error, freedom), stats.t.cdf((value - margin) / error, freedom))
    return Equivalence(decided.equivalent, margin, decided.difference, float(p))


def _level(alpha: float) -> float:
    check_level(alpha)
    if not alpha < 0.5:
        raise SettingsError(f"alpha must lie between 0 and 0.5, got {alpha}; 0.05 is usual")
    return 1 - 2 * alpha
