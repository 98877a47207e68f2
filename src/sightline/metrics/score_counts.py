"""How many positive and negative images score at least so much: what every curve of a threshold is made of."""

import numpy as np
from numpy.typing import ArrayLike

from sightline.errors import DataError, ShapeError
from sightline.metrics.averages import Array


def counts_from(labels: ArrayLike, scores: ArrayLike, *, weights: Array | None = None) -> tuple[Array, Array, Array]:
    """Count the images at or above each distinct score.

    Args:
        labels: 1 for positive, 0 for negative, NaN for unknown (left out), `(N,)`.
        scores: higher means more likely positive, `(N,)`.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        The T distinct scores from the highest down, `(T,)`, and the positive and the negative images that score as much
        or more, `(T,)` or `(B, T)` each; the last are all of them.

    Raises:
        ShapeError: labels and scores are not both `(N,)`.
        DataError: a label is neither 0, 1 nor NaN, or a score is NaN or infinite.
    """
    truth, values = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise ShapeError(f"labels and scores must both be (N,), got {truth.shape} and {values.shape}")
    known = np.flatnonzero(~np.isnan(truth))
    if not np.isin(truth[known], (0, 1)).all():
        raise DataError("labels must be 0, 1 or NaN; compare with one class at a time")
    if not np.isfinite(values[known]).all():
        raise DataError("scores must be finite to be put in order; look at the answers of the model")
    counts = np.ones(truth.shape) if weights is None else weights
    order = known[np.argsort(-values[known], kind="stable")]
    if not order.size:
        nothing = np.zeros((*counts.shape[:-1], 0))
        return np.zeros(0), nothing, nothing
    last = np.flatnonzero(np.r_[np.diff(values[order]) < 0, True])  # last place of each distinct score
    ordered, positive = counts[..., order], truth[order] == 1
    above = (np.where(chosen, ordered, 0.0).cumsum(-1)[..., last] for chosen in (positive, ~positive))
    return values[order][last], next(above), next(above)
