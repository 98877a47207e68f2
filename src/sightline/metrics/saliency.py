r"""How far a map of where a model expects a reader to look is from where readers looked, image by image.

Both maps are arrays of numbers that are not negative, and are divided by their sums: $p$ predicted, $q$ of gaze. A
measure is NaN where it says nothing: a map holds NaN or infinity, or is zero throughout.

The literature has two names twice. Both directions of the divergence are called KL; the tables of MT-UNet and of what
followed it hold $D(q \| p)$, `saliency_divergence`, although some of the texts write down the other. "Histogram
similarity" is in these tables the common mass of the two densities, `histogram_similarity`, and in words a comparison
of how often each value occurs, `value_histogram_intersection`, which knows no places.

Reference:
    Bylinskii et al. 2019, doi:10.1109/TPAMI.2018.2815601; as in the code of Zhu et al. 2022, arXiv:2202.07118.
"""

from math import prod

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.averages import Array
from sightline.metrics.correlation import pearson


def saliency_divergence(predicted: ArrayLike, gaze: ArrayLike) -> Array:
    r"""Divergence of the prediction from the gaze: what is looked at and not predicted costs.

    $$D(q \| p) = \sum_i q_i \ln (q_i / p_i)$$

    Args:
        predicted: `(N, ...)`.
        gaze: of the same shape.

    Returns:
        `(N,)` from 0, in nats; infinite where $p$ is 0 and $q$ is not.

    Raises:
        ShapeError: the maps do not fit.
        DataError: a map holds negative numbers.
    """
    p, q = _densities(predicted, gaze)
    result: Array = rel_entr(q, p).sum(1)
    return result


def saliency_divergence_reversed(predicted: ArrayLike, gaze: ArrayLike, *, eps: float = 1e-7) -> Array:
    r"""Divergence of the gaze from the prediction: what is predicted and not looked at costs.

    $$D(p \| q) = \sum_i p_i \ln (p_i / \max(q_i, \epsilon))$$

    Args:
        predicted: `(N, ...)`.
        gaze: of the same shape.
        eps: least density of the gaze. Most pixels are not looked at, so the value depends on it much; 0 gives
            infinity for nearly every image.

    Returns:
        `(N,)`, in nats.

    Raises:
        ShapeError: the maps do not fit.
        DataError: a map holds negative numbers.
        SettingsError: `eps` is negative.

    Reference:
        Qiu 2024 (thesis), eq. 1, without `eps`.
    """
    if not eps >= 0:
        raise SettingsError(f"eps must be at least 0, got {eps}")
    p, q = _densities(predicted, gaze)
    result: Array = rel_entr(p, np.maximum(q, eps)).sum(1)
    return result


def saliency_correlation(predicted: ArrayLike, gaze: ArrayLike) -> Array:
    """Pearson's correlation over the pixels.

    Args:
        predicted: `(N, ...)`.
        gaze: of the same shape.

    Returns:
        `(N,)` in [-1, 1]; NaN also where a map is even.

    Raises:
        ShapeError: the maps do not fit.
        DataError: a map holds negative numbers.
    """
    p, q = (torch.from_numpy(density) for density in _densities(predicted, gaze))
    result: Array = pearson(p, q).numpy()
    return result


def histogram_similarity(predicted: ArrayLike, gaze: ArrayLike) -> Array:
    r"""Common mass of the two densities, $\sum_i \min(p_i, q_i)$.

    Args:
        predicted: `(N, ...)`.
        gaze: of the same shape.

    Returns:
        `(N,)` in [0, 1].

    Raises:
        ShapeError: the maps do not fit.
        DataError: a map holds negative numbers.
    """
    p, q = _densities(predicted, gaze)
    result: Array = np.minimum(p, q).sum(1)
    return result


def value_histogram_intersection(predicted: ArrayLike, gaze: ArrayLike, *, bins: int = 256) -> Array:
    r"""Common mass of the histograms of the values, each map scaled to a largest value of 1.

    Args:
        predicted: `(N, ...)`.
        gaze: of the same shape.
        bins: of equal width over [0, 1]; the source gives no number.

    Returns:
        `(N,)` in [0, 1].

    Raises:
        ShapeError: the maps do not fit.
        DataError: a map holds negative numbers.
        SettingsError: there is no bin.

    Reference:
        Qiu 2024 (thesis), 2.5.3, in words.
    """
    if bins < 1:
        raise SettingsError(f"bins must be at least 1, got {bins}")
    pairs = zip(*_densities(predicted, gaze), strict=True)
    return np.array([np.minimum(_histogram(p, bins), _histogram(q, bins)).sum() for p, q in pairs], np.float64)


def _histogram(density: Array, bins: int) -> Array:
    """Share of the pixels in each bin; NaN where the density is undefined."""
    if np.isnan(density).any():
        return np.full(bins, np.nan)
    return np.histogram(density / density.max(), bins, (0.0, 1.0))[0] / density.size


def _densities(predicted: ArrayLike, gaze: ArrayLike) -> tuple[Array, Array]:
    """Both maps as rows of sum 1, `(N, P)`; NaN in both where one is undefined."""
    first, second = np.asarray(predicted, np.float64), np.asarray(gaze, np.float64)
    if first.shape != second.shape or first.ndim < 2:
        raise ShapeError(f"both must have one shape (N, ...), got {first.shape} and {second.shape}")
    rows = [maps.reshape(len(maps), prod(maps.shape[1:])) for maps in (first, second)]
    for name, maps in zip(("predicted", "gaze"), rows, strict=True):
        if (maps < 0).any():
            raise DataError(f"{name} must not be negative, got {maps[maps < 0].min():g}; take the softmax of logits")
    sums = [maps.sum(1, keepdims=True) for maps in rows]
    defined = np.logical_and(*(np.isfinite(total) & (total > 0) for total in sums))
    p, q = (
        np.divide(maps, total, out=np.full(maps.shape, np.nan), where=defined)
        for maps, total in zip(rows, sums, strict=True)
    )
    return p, q
