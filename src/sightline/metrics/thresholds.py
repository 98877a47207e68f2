"""Thresholds for a decision, chosen on validation images and then held fixed.

A label is decided on where its score is at least the threshold. Each function returns one of the scores at hand; of
equal ones the highest, which decides on the fewest images. Never choose on the images that are reported.
"""

from numpy.typing import ArrayLike

from sightline.errors import SettingsError
from sightline.metrics.averages import Array
from sightline.metrics.score_counts import counts_from


def youden_threshold(labels: ArrayLike, scores: ArrayLike) -> float:
    r"""Threshold of the greatest $J = \mathrm{sensitivity} + \mathrm{specificity} - 1$.

    Args:
        labels: 1 for positive, 0 for negative, NaN for unknown (left out), `(N,)`.
        scores: of validation images, `(N,)`.

    Returns:
        NaN without a positive or without a negative image.

    Raises:
        ShapeError: labels and scores are not both `(N,)`.
        DataError: a label is neither 0, 1 nor NaN, or a score is NaN or infinite.

    Reference:
        Youden 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.
    """
    thresholds, positive, negative = counts_from(labels, scores)
    if not len(thresholds) or not positive[-1] or not negative[-1]:
        return float("nan")
    return _highest_of_best(thresholds, positive / positive[-1] - negative / negative[-1])


def best_f1_threshold(labels: ArrayLike, scores: ArrayLike) -> float:
    """Threshold of the greatest F1.

    Args:
        labels: 1 for positive, 0 for negative, NaN for unknown (left out), `(N,)`.
        scores: of validation images, `(N,)`.

    Returns:
        NaN without a positive image.

    Raises:
        ShapeError: labels and scores are not both `(N,)`.
        DataError: a label is neither 0, 1 nor NaN, or a score is NaN or infinite.
    """
    thresholds, positive, negative = counts_from(labels, scores)
    if not len(thresholds) or not positive[-1]:
        return float("nan")
    return _highest_of_best(thresholds, 2 * positive / (positive[-1] + positive + negative))


def threshold_at_sensitivity(labels: ArrayLike, scores: ArrayLike, *, sensitivity: float) -> float:
    """Highest threshold that finds at least a given share of the positive images.

    Args:
        labels: 1 for positive, 0 for negative, NaN for unknown (left out), `(N,)`.
        scores: of validation images, `(N,)`.
        sensitivity: least share to be found, over 0 to 1.

    Returns:
        NaN without a positive image.

    Raises:
        ShapeError: labels and scores are not both `(N,)`.
        DataError: a label is neither 0, 1 nor NaN, or a score is NaN or infinite.
        SettingsError: the sensitivity lies outside (0, 1].
    """
    if not 0 < sensitivity <= 1:
        raise SettingsError(f"sensitivity must be a share over 0 to 1, got {sensitivity}")
    thresholds, positive, _ = counts_from(labels, scores)
    if not len(thresholds) or not positive[-1]:
        return float("nan")
    reached = positive >= sensitivity * positive[-1] - 1e-9
    return float(thresholds[int(reached.argmax())])


def _highest_of_best(thresholds: Array, values: Array) -> float:
    return float(thresholds[int((values >= values.max() - 1e-12).argmax())])
