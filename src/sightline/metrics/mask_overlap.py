"""How well masks agree, image by image, at any threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError, ShapeError

Array: TypeAlias = NDArray[Any]
THRESHOLDS: tuple[float, ...] = tuple(round(percent / 100, 2) for percent in range(5, 96))


@dataclass(frozen=True)
class Overlap:
    """Pixels of one image, counted at one or several thresholds.

    Attributes:
        both: in the mask and in the truth, `(*)`.
        predicted: in the mask, `(*)`.
        true: in the truth.
    """

    both: Array
    predicted: Array
    true: int

    @property
    def iou(self) -> Array:
        r"""Intersection over union $|P \cap T| / |P \cup T|$ (Jaccard), `(*)`; 1 where both are empty."""
        return _share(self.both, self.predicted + self.true - self.both)

    @property
    def dice(self) -> Array:
        r"""Dice's coefficient $2 |P \cap T| / (|P| + |T|)$, `(*)`; 1 where both are empty."""
        return _share(2 * self.both, self.predicted + self.true)


def overlap(probabilities: Array, truth: Array, thresholds: Sequence[float]) -> Overlap:
    """Count the pixels whose probability is at least each threshold, all thresholds in one pass.

    Args:
        probabilities: in [0, 1], or a mask of 0 and 1, `(H, W)`.
        truth: bool, `(H, W)`.
        thresholds: in (0, 1], rising, `(T,)`.

    Raises:
        ShapeError: the two are not of one size.
    """
    if probabilities.shape != truth.shape:
        raise ShapeError(f"mask and truth must be of one size, got {probabilities.shape} and {truth.shape}")
    bins = np.searchsorted(np.asarray(thresholds, probabilities.dtype), probabilities.ravel(), side="right")
    reached = [np.bincount(part, minlength=len(thresholds) + 1) for part in (bins[truth.ravel()], bins)]
    both, predicted = (counts[::-1].cumsum()[::-1][1:] for counts in reached)
    return Overlap(both, predicted, int(truth.sum()))


def best_threshold(iou: Array, thresholds: Sequence[float]) -> int:
    """Choose the threshold of the greatest mean IoU over images; of equal ones that nearest to a half.

    Args:
        iou: of each image at each threshold, `(N, T)`.
        thresholds: `(T,)`.

    Returns:
        Its index.

    Raises:
        DataError: there is no image.
    """
    if not len(iou):
        raise DataError("a threshold is chosen on validation images with masks, got none")
    means = iou.mean(axis=0)
    equal: list[int] = np.flatnonzero(means >= means.max() - 1e-9).tolist()
    return min(equal, key=lambda index: abs(thresholds[index] - 0.5))


def _share(part: Array, whole: Array) -> Array:
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    share: Array = np.divide(part, whole, out=np.ones_like(part), where=whole > 0)
    return share
