"""Ratios, means and medians in which the undefined is NaN and is left out, never counted as zero."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Array:
    """Divide element by element; NaN where the denominator is 0."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, np.float64), np.asarray(denominator, np.float64))
    result: Array = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)
    return result


def mean_defined(values: ArrayLike, axis: int = -1) -> Array:
    """Average over `axis` what is not NaN; NaN where nothing is left."""
    table = np.asarray(values, np.float64)
    known = ~np.isnan(table)
    return ratio(np.where(known, table, 0.0).sum(axis=axis), known.sum(axis=axis))


def median_defined(values: ArrayLike, axis: int = -1) -> Array:
    """Middle of what is not NaN over `axis`; NaN where nothing is left."""
    table = np.asarray(values, np.float64)
    nothing = np.isnan(table).all(axis=axis)
    if not table.shape[axis]:
        return np.full(nothing.shape, np.nan)
    filled = np.where(np.expand_dims(nothing, axis), 0.0, table)  # nanmedian warns of them
    return np.where(nothing, np.nan, np.nanmedian(filled, axis=axis))


def weighted_mean(values: ArrayLike, *, weights: Array | None = None) -> Array:
    """Average what is not NaN, each value with its weight.

    Args:
        values: `(N,)`, NaN where unknown.
        weights: times that each case counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        `()` or `(B,)`; NaN where nothing known has weight.
    """
    table = np.asarray(values, np.float64)
    known = ~np.isnan(table)
    counts = np.ones(table.shape) if weights is None else weights
    return ratio(counts[..., known] @ table[known], counts[..., known].sum(axis=-1))
