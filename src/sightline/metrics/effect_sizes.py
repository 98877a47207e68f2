"""How large a difference is, in units that do not depend on the number of cases.

NaN are left out (of pairs, the pair), and a size that would divide by zero is NaN. For an interval hand the size to
`bootstrap`, or see `delong_interval` for Cliff's delta and `risk_difference`.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from sightline.metrics.intervals import Interval, wilson_interval
from sightline.metrics.paired import pairs_known, row_known, varies
from sightline.metrics.ranking import auroc


def cohens_d(first: ArrayLike, second: ArrayLike) -> float:
    r"""Difference of the means of two groups over their pooled standard deviation.

    $$d = \frac{\bar a - \bar b}{s}, \qquad s^2 = \frac{(n_a - 1) s_a^2 + (n_b - 1) s_b^2}{n_a + n_b - 2}$$

    Args:
        first: `(N,)`.
        second: `(M,)`.

    Returns:
        NaN where a group is empty, both have one number, or neither varies.

    Raises:
        ShapeError: a group is no row.

    Reference:
        Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, eq. 2.5.1, 2.5.2.
    """
    a, b = row_known(first), row_known(second)
    freedom = len(a) + len(b) - 2
    if not len(a) or not len(b) or freedom < 1 or not (varies(a) or varies(b)):
        return float("nan")
    spread = (((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()) / freedom
    return float((a.mean() - b.mean()) / spread**0.5)


def hedges_g(first: ArrayLike, second: ArrayLike) -> float:
    r"""Cohen's d without its bias in small groups.

    $$g = d\,\frac{\Gamma(k/2)}{\sqrt{k/2}\,\Gamma((k-1)/2)}, \qquad k = n_a + n_b - 2$$

    Args:
        first: `(N,)`.
        second: `(M,)`.

    Returns:
        NaN where Cohen's d is, or k is 1.

    Raises:
        ShapeError: a group is no row.

    Reference:
        Hedges 1981, doi:10.3102/10769986006002107, eq. 6e.
    """
    freedom = len(row_known(first)) + len(row_known(second)) - 2
    if freedom < 2:
        return float("nan")
    shrink = np.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / (freedom / 2) ** 0.5
    return float(shrink * cohens_d(first, second))


def cohens_dz(first: ArrayLike, second: ArrayLike) -> float:
    r"""Mean difference of pairs over the standard deviation of the differences, $t / \sqrt N$.

    Args:
        first: `(N,)`.
        second: of the same cases, in the same order.

    Returns:
        NaN for fewer than two pairs, or where the differences do not vary.

    Raises:
        ShapeError: the rows do not fit.

    Reference:
        Cohen 1988, section 2.3.5.
    """
    a, b = pairs_known(first, second)
    difference = a - b
    if not varies(difference):
        return float("nan")
    return float(difference.mean() / difference.std(ddof=1))


def cliffs_delta(first: ArrayLike, second: ArrayLike) -> float:
    r"""How much more often a number of the first group is the greater one, $P(a > b) - P(a < b)$.

    It is $2 A - 1$ for the area under the ROC curve that tells the groups apart.

    Args:
        first: `(N,)`.
        second: `(M,)`.

    Returns:
        In [-1, 1]; NaN where a group is empty.

    Raises:
        ShapeError: a group is no row.
        DataError: a number is infinite.

    Reference:
        Cliff 1993, doi:10.1037/0033-2909.114.3.494.
    """
    a, b = row_known(first), row_known(second)
    return float(2 * auroc(np.r_[np.ones(len(a)), np.zeros(len(b))], np.r_[a, b]) - 1)


def risk_difference(first: int, of_first: int, second: int, of_second: int, *, level: float = 0.95) -> Interval:
    r"""Difference of the shares of two groups of other cases, with Newcombe's interval of two Wilson intervals.

    $$\Bigl[d - \sqrt{(p_1 - l_1)^2 + (u_2 - p_2)^2},\ d + \sqrt{(u_1 - p_1)^2 + (p_2 - l_2)^2}\Bigr]$$

    Args:
        first: cases of the first group that count.
        of_first: cases in it.
        second: cases of the second group that count.
        of_second: cases in it.
        level: nominal coverage, between 0 and 1.

    Returns:
        First less second; NaN where a group is empty.

    Raises:
        DataError: more count than there are.
        SettingsError: the level lies outside (0, 1).

    Reference:
        Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, method 10.
    """
    one, other = wilson_interval(first, of_first, level=level), wilson_interval(second, of_second, level=level)
    difference = one.value - other.value
    low = difference - np.hypot(one.value - one.low, other.high - other.value)
    high = difference + np.hypot(one.high - one.value, other.value - other.low)
    return Interval(difference, float(low), float(high), of_first + of_second, "Newcombe, of Wilson's", level)
