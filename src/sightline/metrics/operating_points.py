"""What a threshold could reach at most when the other kind of error is held below a limit.

The threshold is read off the same images, so the number says what the scores allow, not what a threshold chosen
beforehand would give; choose that on validation images (`threshold_at_sensitivity`). Nothing is interpolated: only
thresholds that part the images at hand count, and ties stay together.
"""

import numpy as np
from numpy.typing import ArrayLike

from sightline.errors import SettingsError
from sightline.metrics.averages import Array, ratio
from sightline.metrics.score_counts import counts_from


def sensitivity_at_specificity(
    labels: ArrayLike, scores: ArrayLike, *, specificity: float = 0.95, weights: Array | None = None
) -> Array:
    """Highest share of positive images found by a threshold that keeps the specificity at least as high as asked.

    Args:
        labels: 1 for positive, 0 for negative, NaN for unknown (left out), `(N,)`.
        scores: higher means more likely positive, `(N,)`.
        specificity: least share of negative images below the threshold, 0 to 1.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        `()` or `(B,)` in [0, 1]; 0 where every threshold that finds anything is too unspecific, NaN without a positive
        or without a negative image.

    Raises:
        ShapeError: labels and scores are not both `(N,)`.
        DataError: a label is neither 0, 1 nor NaN, or a score is NaN or infinite.
        SettingsError: the specificity lies outside 0 to 1.
    """
    _check_share("specificity", specificity)
    _, found, false = _rates(labels, scores, weights)
    allowed = false <= 1 - specificity + _ROUNDING
    return _unless_undefined(np.where(allowed, found, 0.0).max(-1, initial=0.0), found, false)


def specificity_at_sensitivity(
    labels: ArrayLike, scores: ArrayLike, *, sensitivity: float = 0.95, weights: Array | None = None
) -> Array:
    """Highest share of negative images below a threshold that keeps the sensitivity at least as high as asked.

    Args:
        labels: 1 for positive, 0 for negative, NaN for unknown (left out), `(N,)`.
        scores: higher means more likely positive, `(N,)`.
        sensitivity: least share of positive images at or above the threshold, 0 to 1.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        `()` or `(B,)` in [0, 1]; NaN without a positive or without a negative image.

    Raises:
        ShapeError: labels and scores are not both `(N,)`.
        DataError: a label is neither 0, 1 nor NaN, or a score is NaN or infinite.
        SettingsError: the sensitivity lies outside 0 to 1.
    """
    _check_share("sensitivity", sensitivity)
    _, found, false = _rates(labels, scores, weights)
    if sensitivity <= _ROUNDING:  # a threshold above all scores finds nothing and is never wrong
        return _unless_undefined(np.ones(found.shape[:-1]), found, false)
    reached = found >= sensitivity - _ROUNDING
    return _unless_undefined(np.where(reached, 1 - false, 0.0).max(-1, initial=0.0), found, false)


_ROUNDING = 1e-12  # of a share that was meant to be equal


def _rates(labels: ArrayLike, scores: ArrayLike, weights: Array | None) -> tuple[Array, Array, Array]:
    thresholds, positive, negative = counts_from(labels, scores, weights=weights)
    return thresholds, ratio(positive, positive[..., -1:]), ratio(negative, negative[..., -1:])


def _unless_undefined(values: Array, found: Array, false: Array) -> Array:
    if not found.shape[-1]:
        return np.full(found.shape[:-1], np.nan)
    return np.where(np.isnan(found[..., -1]) | np.isnan(false[..., -1]), np.nan, values)


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise SettingsError(f"{name} must be a share of 0 to 1, got {value}")
