"""Which masks a human should look at before anything is trained on them."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from sightline.errors import SettingsError
from sightline.metrics.mask_overlap import Array

_SPECK = 0.001  # share of the image below which a part is not counted


@dataclass(frozen=True)
class MaskShape:
    r"""What a mask looks like, all but the count as shares in [0, 1].

    Attributes:
        area: share of the image that it covers.
        parts: number of connected parts (by sides and corners) of at least a thousandth of the image.
        border: share of the image's outermost pixels that it covers.
        mirror: Dice's coefficient of the mask and its left-right mirror image about the middle of the image.
        confidence: agreement of the probabilities $p$ with the mask $m$ they were cut to,
            $\sum \min(p, m) / \sum \max(p, m)$.
    """

    area: float
    parts: int
    border: float
    mirror: float
    confidence: float


@dataclass(frozen=True)
class ReviewLimits:
    """Beyond which a mask of both lungs on a frontal film is suspicious; see `docs/methods/lung_masks.md`.

    Attributes:
        least_area: smallest share of the image.
        most_area: largest share of the image.
        parts: number of parts, one a lung.
        most_border: largest share of the outermost pixels.
        least_mirror: least overlap of left and right.
        least_confidence: least agreement of probabilities and mask.
    """

    least_area: float = 0.15
    most_area: float = 0.6
    parts: int = 2
    most_border: float = 0.05
    least_mirror: float = 0.45
    least_confidence: float = 0.8

    def __post_init__(self) -> None:
        if self.least_area > self.most_area:
            raise SettingsError(f"least_area must not be above most_area, got {self.least_area} and {self.most_area}")


def measure_mask(probabilities: Array, mask: Array) -> MaskShape:
    """Measure a mask, bool `(H, W)`, and the probabilities it was cut from, `(H, W)` in [0, 1]."""
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    edge = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    pixels = int(mask.sum())
    either = float(np.maximum(probabilities, mask).sum())
    return MaskShape(
        area=pixels / mask.size,
        parts=int((sizes >= _SPECK * mask.size).sum()),
        border=float(edge.mean()),
        mirror=int((mask & mask[:, ::-1]).sum()) / pixels if pixels else 0.0,
        confidence=float(probabilities[mask].sum()) / either if pixels else 0.0,
    )


def suspicious(shape: MaskShape, limits: ReviewLimits) -> tuple[str, ...]:
    """Say in a few words each what is suspicious about a mask; nothing where all is as usual."""
    if shape.area == 0:
        return ("empty",)
    found = {
        f"small: {shape.area:.0%}": shape.area < limits.least_area,
        f"large: {shape.area:.0%}": shape.area > limits.most_area,
        f"{shape.parts} part{'s' * (shape.parts != 1)}": shape.parts != limits.parts,
        f"at the border: {shape.border:.0%}": shape.border > limits.most_border,
        f"lopsided: {shape.mirror:.0%}": shape.mirror < limits.least_mirror,
        f"unsure: {shape.confidence:.2f}": shape.confidence < limits.least_confidence,
    }
    return tuple(words for words, is_so in found.items() if is_so)
