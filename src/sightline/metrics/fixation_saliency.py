"""How well a map of where a model expects a reader to look tells the pixels that were looked at from the others.

These measures take single fixations, not a density of gaze (see `sightline.metrics.saliency` for that). A pixel was
fixated or not; several fixations of one pixel count once. Neither punishes a map for being high elsewhere as long as
order, or standardised height, is right.

Reference:
    Bylinskii et al. 2019, doi:10.1109/TPAMI.2018.2815601.
"""

from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sightline.errors import DataError, ShapeError
from sightline.metrics.averages import Array, ratio


def normalized_scanpath_saliency(predicted: ArrayLike, fixations: ArrayLike) -> Array:
    r"""NSS: mean of the standardised map, $(p - \bar p) / s_p$, over the fixated pixels; 0 is chance.

    Args:
        predicted: `(N, ...)`, of any scale and sign.
        fixations: of the same shape, above 0 where a pixel was fixated.

    Returns:
        `(N,)`; NaN where nothing was fixated, the map is even, or either holds NaN or infinity.

    Raises:
        ShapeError: the maps do not fit.
        DataError: a number of fixations is negative.

    Reference:
        Peters et al. 2005, doi:10.1016/j.visres.2005.03.019.
    """
    maps, fixated, defined = _rows(predicted, fixations)
    centred = np.where(defined[:, None], maps, 0.0)
    centred = centred - centred.mean(1, keepdims=True)
    spread = np.sqrt((centred**2).mean(1))
    even = spread <= 16 * np.finfo(np.float64).eps * np.abs(np.where(defined[:, None], maps, 0.0)).max(1, initial=0.0)
    found = ratio(ratio((centred * fixated).sum(1), fixated.sum(1)), spread)
    return np.where(defined & ~even, found, np.nan)


def auc_judd(predicted: ArrayLike, fixations: ArrayLike) -> Array:
    r"""AUC-Judd: area under the ROC curve of fixated against other pixels, with thresholds at the fixated ones.

    At the value of each fixated pixel, the share of fixated pixels at or above it stands over the share of the others;
    the points are joined by straight lines from (0, 0) to (1, 1). Where no values are equal that is the usual area plus
    $f / 2n$, for n fixated pixels and $f$ the share of others above the lowest of them. The usual code breaks ties by
    noise; here equal values count together, so that the answer is always the same.

    Args:
        predicted: `(N, ...)`, of any scale and sign.
        fixations: of the same shape, above 0 where a pixel was fixated.

    Returns:
        `(N,)` in [0, 1]; NaN where no pixel or every pixel was fixated, or either map holds NaN or infinity. An even
        map has 0.5.

    Raises:
        ShapeError: the maps do not fit.
        DataError: a number of fixations is negative.

    Reference:
        Judd et al. 2009, doi:10.1109/ICCV.2009.5459462.
    """
    maps, fixated, defined = _rows(predicted, fixations)
    found = [
        _judd(row[hit], row[~hit]) if known and hit.any() and not hit.all() else float("nan")
        for row, hit, known in zip(maps, fixated, defined, strict=True)
    ]
    return np.array(found, np.float64)


def _judd(hits: Array, others: Array) -> float:
    thresholds = np.unique(hits)[::-1]
    found, false = (
        np.searchsorted(np.sort(-values), -thresholds, side="right") / len(values) for values in (hits, others)
    )
    heights, steps = np.r_[0, found, 1], np.diff(np.r_[0, false, 1])
    return float(((heights[1:] + heights[:-1]) / 2 * steps).sum())


def _rows(predicted: ArrayLike, fixations: ArrayLike) -> tuple[Array, NDArray[np.bool_], NDArray[np.bool_]]:
    """Map and fixated pixels as rows, `(N, P)`, and which rows hold numbers throughout, `(N,)`."""
    first, second = np.asarray(predicted, np.float64), np.asarray(fixations, np.float64)
    if first.shape != second.shape or first.ndim < 2:
        raise ShapeError(f"both must have one shape (N, ...), got {first.shape} and {second.shape}")
    maps, counts = (values.reshape(len(first), prod(first.shape[1:])) for values in (first, second))
    if (counts < 0).any():
        raise DataError(f"fixations must not be negative, got {counts[counts < 0].min():g}")
    finite: NDArray[np.bool_] = np.isfinite(np.concatenate([maps, counts], 1)).all(1)
    return maps, counts > 0, finite
