r"""Area under the receiver operating characteristic: how well scores put the images in order.

All areas count ties as half and take weights, so that many bootstrap resamples are one call. An area without both a
positive and a negative image is NaN, and a mean over classes or pairs is taken over the areas that are defined.
"""

from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike

from sightline.errors import DataError, ShapeError
from sightline.metrics.averages import Array, mean_defined, median_defined, ratio


def auroc(labels: ArrayLike, scores: ArrayLike, *, weights: Array | None = None) -> Array:
    r"""Probability that a positive image scores above a negative one.

    $$A = \frac{\sum_{i \in +} \sum_{j \in -} w_i w_j ([s_i > s_j] + \tfrac12 [s_i = s_j])}{\sum_+ w \sum_- w}$$

    Args:
        labels: 1 for positive, 0 for negative, NaN for unknown (left out), `(N,)`.
        scores: higher means more likely positive, `(N,)`.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        `()` or `(B,)`; NaN without a positive or without a negative image.

    Raises:
        ShapeError: labels and scores are not both `(N,)`.
        DataError: a score is NaN or infinite.

    Reference:
        Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747.

    Example:
        >>> float(auroc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8]))
        0.875
    """
    truth, values = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise ShapeError(f"labels and scores must both be (N,), got {truth.shape} and {values.shape}")
    known = np.flatnonzero(~np.isnan(truth))
    if not np.isfinite(values[known]).all():
        raise DataError("scores must be finite to be put in order; look at the answers of the model")
    counts = np.ones(truth.shape) if weights is None else weights
    order = known[np.argsort(values[known], kind="stable")]
    if not order.size:
        return np.full(counts.shape[:-1], np.nan)
    ordered = counts[..., order]
    positive = truth[order] == 1
    ties = np.flatnonzero(np.r_[True, np.diff(values[order]) > 0])  # first place of each distinct score
    above = np.add.reduceat(np.where(positive, ordered, 0.0), ties, axis=-1)
    below = np.add.reduceat(np.where(positive, 0.0, ordered), ties, axis=-1)
    beaten = below.cumsum(axis=-1) - below / 2
    return ratio((above * beaten).sum(-1), above.sum(-1) * below.sum(-1))


def auroc_one_vs_rest(labels: ArrayLike, scores: ArrayLike, *, weights: Array | None = None) -> Array:
    """Area of each class against all others.

    Args:
        labels: true class, `(N,)` int, or 1, 0 and NaN per label, `(N, K)`.
        scores: score of each class, `(N, K)`.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        `(K,)` or `(B, K)`; their mean is the macro area (`mean_defined`).

    Raises:
        ShapeError: labels and scores do not fit.
        DataError: a score is NaN or infinite.
    """
    table = _scores(labels, scores)
    truth = np.asarray(labels)
    if truth.ndim == 1:
        truth = truth[:, None] == np.arange(table.shape[1])
    return np.stack([auroc(truth[:, k], table[:, k], weights=weights) for k in range(table.shape[1])], axis=-1)


def auroc_median(labels: ArrayLike, scores: ArrayLike, *, weights: Array | None = None) -> Array:
    """Median of the areas of each class against all others, which a few rare labels do not move.

    Args:
        labels: true class, `(N,)` int, or 1, 0 and NaN per label, `(N, K)`.
        scores: score of each class, `(N, K)`.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        `()` or `(B,)`; NaN where no area is defined.

    Raises:
        ShapeError: labels and scores do not fit.
        DataError: a score is NaN or infinite.

    Reference:
        Draelos and Carin, arXiv:2011.08891v2, table 1.
    """
    return median_defined(auroc_one_vs_rest(labels, scores, weights=weights))


def auroc_micro(labels: ArrayLike, scores: ArrayLike, *, weights: Array | None = None) -> Array:
    """Area over all pairs of an image and a class at once, which asks that scores of classes be comparable.

    Args:
        labels: true class, `(N,)` int, or 1, 0 and NaN per label, `(N, K)`.
        scores: score of each class, `(N, K)`.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        `()` or `(B,)`; NaN where no label applies, or all do.

    Raises:
        ShapeError: labels and scores do not fit.
        DataError: a score is NaN or infinite.
    """
    table, truth = _scores(labels, scores), np.asarray(labels)
    if truth.ndim == 1:
        truth = truth[:, None] == np.arange(table.shape[1])
    repeated = None if weights is None else weights.repeat(table.shape[1], axis=-1)
    return auroc(truth.ravel(), table.ravel(), weights=repeated)


def auroc_pairwise(labels: ArrayLike, scores: ArrayLike, *, weights: Array | None = None) -> Array:
    r"""Mean area over all pairs of classes, which the mix of classes does not move.

    $$M = \frac{1}{K(K-1)} \sum_{i \ne j} A(i|j)$$ where $A(i|j)$ ranks the images of classes i and j by the score of i.

    Args:
        labels: true class, `(N,)` int.
        scores: score of each class, `(N, K)`.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        `()` or `(B,)`.

    Raises:
        ShapeError: labels and scores do not fit.
        DataError: a score is NaN or infinite.

    Reference:
        Hand & Till 2001, doi:10.1023/A:1010920819831, eq. 7.
    """
    table, truth = _scores(labels, scores), np.asarray(labels)
    if truth.ndim != 1:
        raise ShapeError(f"labels must be (N,), got {truth.shape}")
    areas = []
    for first, second in permutations(range(table.shape[1]), 2):
        rows = (truth == first) | (truth == second)
        part = None if weights is None else weights[..., rows]
        areas.append(auroc(truth[rows] == first, table[rows, first], weights=part))
    return mean_defined(np.stack(areas, axis=-1))


def _scores(labels: ArrayLike, scores: ArrayLike) -> Array:
    table, truth = np.asarray(scores, np.float64), np.asarray(labels)
    if table.ndim != 2 or truth.shape not in (table.shape[:1], table.shape) or table.shape[1] < 2:
        raise ShapeError(f"scores must be (N, K), K > 1, labels (N,) or (N, K), got {table.shape}, {truth.shape}")
    return table
