"""The lungs by the four steps of PARTITION: threshold, clear the border, keep two, remove the small.

Reference:
    Draelos and Carin, arXiv:2011.08891, supplement 12.2 and figure 8; what is joined to what as in the code published
    with it.
"""

import numpy as np
from scipy import ndimage

from sightline.regions.organs.morphology import Bools, at_border, bounding_box, parts_kept
from sightline.regions.organs.volume import Numbers, Spacing, voxel_mm3

_CORNERS_TOO = np.ones((3, 3), np.uint8)


def segment_lungs_of_paper(
    hu: Numbers, spacing_mm: Spacing, *, threshold_hu: float = -300.0, least_volume_mm3: float = 512_000.0
) -> Bools:
    """Segment both lungs, with the airways that the steps leave.

    The paper's 1,000,000 voxels of 0.8 mm are 512,000 mm^3; here the smallest volume is in mm^3 so that it holds at any
    spacing.

    Args:
        hu: `(D, H, W)`, HU.
        spacing_mm: distance between slices, rows and columns, mm.
        threshold_hu: air lies below.
        least_volume_mm3: connected parts below this are removed.

    Returns:
        True in the lungs, `(D, H, W)`.
    """
    kept = np.empty(hu.shape, bool)
    for number, section in enumerate(hu):
        kept[number] = keep_two_largest(clear_border(section < threshold_hu))
    return remove_small(kept, least_volume_mm3 / voxel_mm3(spacing_mm))


def clear_border(air: Bools) -> Bools:
    """Delete the parts of a section that touch its border, joined by sides and corners, `(H, W)`."""
    labels, count = ndimage.label(air, _CORNERS_TOO)
    inside = np.ones(count + 1, bool)
    inside[at_border(labels)] = False
    return parts_kept(labels, inside)


def keep_two_largest(air: Bools) -> Bools:
    """Delete the parts of a section that are smaller than its second largest, joined by sides and corners, `(H, W)`."""
    labels, count = ndimage.label(air, _CORNERS_TOO)
    if count < 3:
        return air
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return parts_kept(labels, sizes >= np.sort(sizes)[-2])


def remove_small(mask: Bools, least: float) -> Bools:
    """Delete the parts of a volume of fewer than `least` voxels, joined by sides, `(D, H, W)`."""
    kept = np.zeros(mask.shape, bool)
    box = bounding_box(mask)
    if box is not None:
        labels, count = ndimage.label(mask[box])
        sizes = np.zeros(count + 1, np.int64)
        for section in labels:  # counting the whole at once would copy it in 64 bits
            sizes += np.bincount(section.ravel(), minlength=count + 1)
        kept[box] = parts_kept(labels, sizes >= least)
    return kept
