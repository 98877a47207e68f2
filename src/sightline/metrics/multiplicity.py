"""Corrections of p-values for the number of tests that were made.

A test that is undefined (NaN) stays so and is not counted: what could not have been found needs no correction.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from sightline.errors import DataError, ShapeError
from sightline.metrics.averages import Array


def holm(p_values: ArrayLike) -> Array:
    r"""Adjust p-values so that rejecting those up to 0.05 errs anywhere with at most that chance, dependent or not.

    $$\tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) p_{(j)})$$ with $p_{(1)} \le \dots \le p_{(m)}$.

    Args:
        p_values: `(M,)`; NaN stay NaN.

    Returns:
        Adjusted, in the same order.

    Raises:
        ShapeError: they are no row.
        DataError: one lies outside 0 to 1.

    Reference:
        Holm 1979, Scandinavian Journal of Statistics 6, 65-70.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    values = _checked(p_values)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    adjusted = np.full(values.shape, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> Array:
    r"""Adjust p-values so that of those rejected up to 0.05 at most that share is expected to be wrong. SciPy's.

    $$\tilde p_{(i)} = \min_{j \ge i} \min(1, m p_{(j)} / j)$$

    It holds for tests that are independent or rise and fall together.

    Args:
        p_values: `(M,)`; NaN stay NaN.

    Returns:
        Adjusted, in the same order.

    Raises:
        ShapeError: they are no row.
        DataError: one lies outside 0 to 1.

    Reference:
        Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    values = _checked(p_values)
    known = ~np.isnan(values)
    adjusted = np.full(values.shape, np.nan)
    if known.any():
        adjusted[known] = stats.false_discovery_control(values[known])
    return adjusted


def _checked(p_values: ArrayLike) -> Array:
    values = np.asarray(p_values, np.float64)
    if values.ndim != 1:
        raise ShapeError(f"p_values must be a row (M,), got {values.shape}")
    known = values[~np.isnan(values)]
    if not ((known >= 0) & (known <= 1)).all():
        raise DataError("p_values must lie in 0 to 1")
    return values
