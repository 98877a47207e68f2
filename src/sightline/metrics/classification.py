r"""Scores of decisions, all of them functions of a table of counts.

The table is made once by `confusion_matrix` (one label an image) or `label_tables` (several), and every score reads it
along its last two axes. Leading axes are kept: a thousand bootstrap resamples or posterior draws are one call.

A score that would divide by zero is NaN (the recall of a class that no image has), and a mean over classes is taken
over those that are defined. So `macro_f1` averages over the classes that occur in truth or prediction and
`balanced_accuracy` over those that occur in truth, as scikit-learn does by default.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sightline.errors import DataError, ShapeError
from sightline.metrics.averages import Array, mean_defined, ratio


def confusion_matrix(
    labels: ArrayLike, predicted: ArrayLike, num_classes: int, *, weights: Array | None = None
) -> Array:
    """Count how often each class was taken for each.

    Args:
        labels: true class of each image, `(N,)` int.
        predicted: class decided on, `(N,)` int.
        num_classes: K.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        Counts with the true class along rows, `(K, K)` or `(B, K, K)`.

    Raises:
        ShapeError: labels, predictions and weights do not speak of the same images.
        DataError: a class lies outside 0 to K - 1.

    Example:
        >>> confusion_matrix([0, 0, 1], [0, 1, 1], 2)
        array([[1., 1.],
               [0., 1.]])
    """
    truth, decision = np.asarray(labels), np.asarray(predicted)
    if truth.ndim != 1 or truth.shape != decision.shape:
        raise ShapeError(f"labels and predicted must both be (N,), got {truth.shape} and {decision.shape}")
    for name, values in (("labels", truth), ("predicted", decision)):
        if values.size and not (values.min() >= 0 and values.max() < num_classes):
            raise DataError(f"{name} must lie in 0 to {num_classes - 1}, got {values.min()} to {values.max()}")
    cells = truth.astype(np.int64) * num_classes + decision.astype(np.int64)
    counts = _tally(cells, num_classes**2, weights)
    return counts.reshape(*counts.shape[:-1], num_classes, num_classes)


def label_tables(labels: ArrayLike, predicted: ArrayLike, *, weights: Array | None = None) -> Array:
    """Count hits and misses of each label of a multi-label task.

    Args:
        labels: 1 where the label applies, 0 where not, NaN where unknown (left out), `(N, L)`.
        predicted: 1 where it was decided on, else 0, `(N, L)`.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        One table a label, `[[TN, FP], [FN, TP]]`, `(L, 2, 2)` or `(B, L, 2, 2)`.

    Raises:
        ShapeError: labels, predictions and weights do not speak of the same images.
        DataError: a label is neither 0, 1 nor NaN.
    """
    truth, decision = np.asarray(labels, np.float64), np.asarray(predicted)
    if truth.ndim != 2 or truth.shape != decision.shape:
        raise ShapeError(f"labels and predicted must both be (N, L), got {truth.shape} and {decision.shape}")
    known = ~np.isnan(truth)
    if not np.isin(truth[known], (0, 1)).all() or not np.isin(decision, (0, 1)).all():
        raise DataError("labels must be 0, 1 or NaN and predicted 0 or 1; decide by a threshold first")
    tables = []
    for index in range(truth.shape[1]):
        rows = known[:, index]
        part = None if weights is None else weights[..., rows]
        cells = (2 * truth[rows, index] + decision[rows, index]).astype(np.int64)
        tables.append(_tally(cells, 4, part))
    counts = np.stack(tables, axis=-2)  # (B, L, 4)
    return counts.reshape(*counts.shape[:-1], 2, 2)


def accuracy(table: Array) -> Array:
    """Share of right decisions, `(..., K, K)` to `(...)`."""
    return ratio(_hits(table).sum(-1), table.sum((-2, -1)))


def recall(table: Array) -> Array:
    """Share of each class that was found (sensitivity), `(..., K, K)` to `(..., K)`."""
    return ratio(_hits(table), table.sum(-1))


def precision(table: Array) -> Array:
    """Share of the decisions for each class that were right, `(..., K, K)` to `(..., K)`."""
    return ratio(_hits(table), table.sum(-2))


def specificity(table: Array) -> Array:
    """Share of the images of other classes that were not taken for each class, `(..., K, K)` to `(..., K)`."""
    others = table.sum((-2, -1))[..., None] - table.sum(-1)
    return ratio(others - (table.sum(-2) - _hits(table)), others)


def f1(table: Array) -> Array:
    """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN), `(..., K, K)` to `(..., K)`."""
    return ratio(2 * _hits(table), table.sum(-1) + table.sum(-2))


def macro_f1(table: Array) -> Array:
    """Mean of the F1 of the classes, `(..., K, K)` to `(...)`."""
    return mean_defined(f1(table))


def f1_of_averages(table: Array) -> Array:
    """F1 of mean precision and mean recall, `(..., K, K)` to `(...)`; another number than `macro_f1`, never below it.

    Reference:
        Sokolova & Lapalme 2009, doi:10.1016/j.ipm.2009.03.002; on the two, Opitz & Burst 2019, arXiv:1911.03347.
    """
    mean_precision, mean_recall = mean_defined(precision(table)), mean_defined(recall(table))
    return ratio(2 * mean_precision * mean_recall, mean_precision + mean_recall)


def balanced_accuracy(table: Array) -> Array:
    """Mean of the recall of the classes, `(..., K, K)` to `(...)`."""
    return mean_defined(recall(table))


def _hits(table: Array) -> Array:
    return np.diagonal(table, axis1=-2, axis2=-1)


def _tally(cells: NDArray[np.int64], num_cells: int, weights: Array | None) -> Array:
    """Sum the weights that fall on each cell, `(num_cells,)` or `(B, num_cells)`."""
    if weights is None:
        return np.bincount(cells, minlength=num_cells).astype(np.float64)
    if weights.shape[-1:] != cells.shape:
        raise ShapeError(f"weights must end in the number of images, {len(cells)}, got {weights.shape}")
    counts = np.zeros((*weights.shape[:-1], num_cells))
    order = np.argsort(cells, kind="stable")
    found, starts = np.unique(cells[order], return_index=True)
    if found.size:
        counts[..., found] = np.add.reduceat(weights[..., order], starts, axis=-1)
    return counts
