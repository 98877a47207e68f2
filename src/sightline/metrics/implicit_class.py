r"""A class without an output of its own: an image belongs to it where no output is high enough.

A multi-label network has no output for "nothing". To compare it with networks of one class an image, a score
$2 t - \max_k s_k$ is put beside its K scores $s_k$: it is the greatest exactly where all of them are below the
threshold $t$. The threshold is the one of the highest macro F1 on validation images.

Reference:
    Bassi et al. 2024, doi:10.1038/s41467-023-44371-z, in the released code (evaluation of HAM).
"""

import numpy as np
from numpy.typing import ArrayLike

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.averages import Array
from sightline.metrics.classification import confusion_matrix, macro_f1


def with_implicit_class(scores: ArrayLike, threshold: float) -> Array:
    """Put the score of the implicit class last, `(N, K)` to `(N, K + 1)`.

    Raises:
        ShapeError: scores are not `(N, K)` with K of at least 1.
    """
    table = _table(scores)
    return np.column_stack([table, 2 * threshold - table.max(1)])


def choose_implicit_threshold(labels: ArrayLike, scores: ArrayLike, *, step: float = 0.001) -> tuple[float, float]:
    """Search the threshold below which an image belongs to the implicit class.

    Args:
        labels: true class of validation images, `(N,)` int, K for the implicit one.
        scores: probability of each of the other K classes, `(N, K)` in [0, 1].
        step: distance between the thresholds that are tried, from 0 to 1.

    Returns:
        The threshold of the highest macro F1, of equal ones the lowest, and that F1.

    Raises:
        ShapeError: labels and scores do not fit.
        DataError: there is no image, a class lies outside 0 to K, or a score outside [0, 1].
        SettingsError: the step lies outside (0, 1].
    """
    if not 0 < step <= 1:
        raise SettingsError(f"step must be a distance over 0 to 1, got {step}")
    table, truth = _table(scores), np.asarray(labels)
    if not len(table):
        raise DataError("a threshold is chosen on validation images, got none")
    if not ((table >= 0) & (table <= 1)).all():
        raise DataError("scores must be probabilities in [0, 1]; take the sigmoid of logits")
    highest, implicit = table.max(1), table.shape[1]
    found = []
    for threshold in np.arange(0, 1 + step / 2, step):
        decided = np.where(highest < threshold, implicit, table.argmax(1))
        found.append((float(macro_f1(confusion_matrix(truth, decided, implicit + 1))), float(threshold)))
    best = max(value for value, _ in found)
    return next(threshold for value, threshold in found if value >= best - 1e-12), best


def _table(scores: ArrayLike) -> Array:
    table = np.asarray(scores, np.float64)
    if table.ndim != 2 or not table.shape[1]:
        raise ShapeError(f"scores must be (N, K) with K of at least 1, got {table.shape}")
    return table
