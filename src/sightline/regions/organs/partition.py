"""Right lung, mediastinum and left lung of a chest CT, without training."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.regions.organs.filling import fill_lungs
from sightline.regions.organs.halves import Codes, body_midline, split_at_middle, split_by_parts
from sightline.regions.organs.lungs import segment_lungs_of_paper
from sightline.regions.organs.mediastinum import Box, mark_mediastinum
from sightline.regions.organs.morphology import Bools, bounding_box
from sightline.regions.organs.quality import OrganQuality, judge
from sightline.regions.organs.robust_lungs import segment_lungs
from sightline.regions.organs.settings import LEFT_LUNG, MEDIASTINUM, RIGHT_LUNG, OrganSettings, QualityLimits
from sightline.regions.organs.volume import Spacing, check_spacing, check_volume, voxel_mm3


@dataclass(frozen=True, eq=False)
class Organs:
    """A partition of a chest CT.

    Attributes:
        labels: 1 right lung, 2 mediastinum, 3 left lung, 0 elsewhere, `(D, H, W)`.
        box: around both lungs, ends not included; None where there are none.
        quality: whether it is to be trusted.
    """

    labels: NDArray[np.uint8]
    box: Box | None
    quality: OrganQuality


def partition_organs(hu: NDArray[Any], spacing_mm: Spacing, settings: OrganSettings | None = None) -> Organs:
    """Part a chest CT into right lung, mediastinum and left lung.

    Both lungs are segmented, divided into right and left, and the mediastinum is what is no lung in the centre-left of
    the box around them. `settings.steps` says how the lungs are found; `PAPER` are the paper's settings throughout. A
    volume without lungs gives labels of zeros and does not pass.

    Args:
        hu: `(D, H, W)`, HU: slices from head to feet, rows from front to back, columns from right to left.
        spacing_mm: distance between slices, rows and columns, mm.
        settings: how; `OrganSettings()` if None.

    Raises:
        ShapeError: `hu` is not `(D, H, W)` with at least one voxel.
        DataError: `hu` holds no numbers, or NaN or infinity, or a distance is not above 0.

    Reference:
        Draelos and Carin, arXiv:2011.08891, section 3.6 and supplement 12.2.
    """
    settings = settings or OrganSettings()
    spacing_mm = check_spacing(spacing_mm)
    check_volume(hu, "hu")
    if settings.steps == "paper":
        lungs = segment_lungs_of_paper(
            hu, spacing_mm, threshold_hu=settings.threshold_hu, least_volume_mm3=settings.least_volume_mm3
        )
    else:
        lungs = segment_lungs(hu, spacing_mm, settings)
    if settings.split == "middle":
        codes = split_at_middle(lungs)
    else:
        codes = split_by_parts(lungs, body_midline(hu, lungs, settings.threshold_hu), spacing_mm)
    if settings.steps == "robust":
        fill_lungs(codes, spacing_mm[1:], fill_mm2=settings.fill_mm2, closing_mm=settings.closing_mm)
    return organs_of_lungs(codes, spacing_mm, settings.quality)


def organs_of_lungs(
    codes: Codes, spacing_mm: Spacing, limits: QualityLimits, mediastinum: Bools | None = None
) -> Organs:
    """Add the mediastinum to the two lungs, in place, and judge the whole.

    Args:
        codes: 1 in the right and 3 in the left lung, `(D, H, W)`.
        spacing_mm: distance between slices, rows and columns, mm.
        limits: of the quality.
        mediastinum: where it is, `(D, H, W)`; the centre-left of the box if None.
    """
    box = bounding_box(codes > 0)
    ml = voxel_mm3(spacing_mm) / 1000
    right, left = (ml * int((codes == code).sum()) for code in (RIGHT_LUNG, LEFT_LUNG))
    if mediastinum is not None:
        codes[mediastinum & (codes == 0)] = MEDIASTINUM
    elif box is not None:
        mark_mediastinum(codes, box)
    return Organs(codes, box, judge(right, left, box, spacing_mm, limits))
