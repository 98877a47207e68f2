r"""Average precision: the area under the curve of precision over recall, as steps, without interpolation."""

import numpy as np
from numpy.typing import ArrayLike

from sightline.errors import ShapeError
from sightline.metrics.averages import Array, ratio
from sightline.metrics.score_counts import counts_from


def average_precision(labels: ArrayLike, scores: ArrayLike, *, weights: Array | None = None) -> Array:
    r"""Mean precision at the positive images, from the highest score down.

    $$\mathrm{AP} = \sum_t (R_t - R_{t-1}) P_t$$ over the distinct scores $t$, so that ties count together.

    Chance is the share of positive images, not one half.

    Args:
        labels: 1 for positive, 0 for negative, NaN for unknown (left out), `(N,)`.
        scores: higher means more likely positive, `(N,)`.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        `()` or `(B,)` in (0, 1]; NaN without a positive image, 1 without a negative one.

    Raises:
        ShapeError: labels and scores are not both `(N,)`.
        DataError: a label is neither 0, 1 nor NaN, or a score is NaN or infinite.

    Example:
        >>> round(float(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])), 3)
        0.833
    """
    _, positive, negative = counts_from(labels, scores, weights=weights)
    if not positive.shape[-1]:
        return np.full(positive.shape[:-1], np.nan)
    gained = np.diff(positive, axis=-1, prepend=0.0)
    precision = np.divide(positive, positive + negative, out=np.zeros_like(positive), where=positive > 0)
    return ratio((gained * precision).sum(-1), positive[..., -1])


def average_precision_one_vs_rest(labels: ArrayLike, scores: ArrayLike, *, weights: Array | None = None) -> Array:
    """Average precision of each class against all others.

    Args:
        labels: true class, `(N,)` int, or 1, 0 and NaN per label, `(N, K)`.
        scores: score of each class, `(N, K)`.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        `(K,)` or `(B, K)`; NaN for a class that no image has. Their mean is `mean_defined`.

    Raises:
        ShapeError: labels and scores do not fit.
        DataError: a label is neither 0, 1 nor NaN, or a score is NaN or infinite.
    """
    table, truth = np.asarray(scores, np.float64), np.asarray(labels)
    if table.ndim != 2 or truth.shape not in (table.shape[:1], table.shape):
        raise ShapeError(f"scores must be (N, K), labels (N,) or (N, K), got {table.shape}, {truth.shape}")
    if truth.ndim == 1:
        truth = truth[:, None] == np.arange(table.shape[1])
    return np.stack(
        [average_precision(truth[:, k], table[:, k], weights=weights) for k in range(table.shape[1])], axis=-1
    )
