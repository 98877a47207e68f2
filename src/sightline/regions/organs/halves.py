"""Right and left: each connected part to the side it lies on, or a cut down the middle of the volume."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sightline.regions.organs.morphology import Bools, bounding_box
from sightline.regions.organs.settings import LEFT_LUNG, RIGHT_LUNG
from sightline.regions.organs.volume import Numbers, Spacing

Codes: TypeAlias = NDArray[np.uint8]
_COARSE_MM = 3.0  # on such a grid two lungs that touch are parted
_MOST_SHRINKING = 8  # voxels of that grid
_ACROSS = 0.15  # a part with this share of its voxels on either side of the midline may be two lungs
_HALF_ACROSS = 1 / 3  # with this share it is, even if no waist is found


def split_at_middle(lungs: Bools) -> Codes:
    """Cut at column `W // 2`: right of it is the right lung.

    Args:
        lungs: `(D, H, W)`, columns from right to left.

    Returns:
        Codes 1 and 3, 0 elsewhere, `(D, H, W)`.

    Reference:
        Draelos and Carin, arXiv:2011.08891, supplement 12.2, "bisection along the midline sagittal plane"; the code
        published with it takes the volume's middle, not the lungs'.
    """
    codes = lungs.astype(np.uint8)  # RIGHT_LUNG is 1
    codes[:, :, lungs.shape[2] // 2 :] *= LEFT_LUNG
    return codes


def split_by_parts(lungs: Bools, midline: float, spacing_mm: Spacing) -> Codes:
    """Give each connected part the side of the midline that its centre lies on.

    So a lung that reaches over the midline stays whole, as in rotated patients and beside a collapsed lung. A part that
    lies on both sides is two lungs that touch: it is shrunk until it falls apart, and each voxel goes to the nearest of
    what is left; where it does not fall apart it is cut at the midline.

    Args:
        lungs: `(D, H, W)`, columns from right to left.
        midline: column of the patient's middle, see `body_midline`.
        spacing_mm: distance between slices, rows and columns, mm.

    Returns:
        As `split_at_middle`.
    """
    codes = np.zeros(lungs.shape, np.uint8)
    box = bounding_box(lungs)
    if box is None:
        return codes
    labels, _ = ndimage.label(lungs[box])
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        part = labels[place] == number
        middle = midline - box[2].start - place[2].start
        codes[box][place][part] = _sides_of_part(part, middle, spacing_mm)[part]
    return codes


def body_midline(hu: Numbers, lungs: Bools, threshold_hu: float) -> float:
    """Return the column of the patient's middle: the centre of mass of all that is not air, and of the lungs.

    Args:
        hu: `(D, H, W)`, HU.
        lungs: `(D, H, W)`; slices without lung do not count.
        threshold_hu: air lies below.
    """
    profile = np.zeros(hu.shape[2])
    for section, lung in zip(hu, lungs, strict=True):
        if lung.any():
            profile += ((section >= threshold_hu) | lung).sum(axis=0)
    return float(profile @ np.arange(len(profile)) / max(profile.sum(), 1))


def _sides_of_part(part: Bools, middle: float, spacing_mm: Spacing) -> Codes:
    """Return the code of each voxel of a part's box, `(D, H, W)`."""
    columns = part.sum(axis=(0, 1))
    places = np.arange(len(columns))
    centre = float(columns @ places / columns.sum())
    right = float(columns[places < middle].sum() / columns.sum())
    across = min(right, 1 - right)
    if across >= _ACROSS:
        two = _cut_at_the_waist(part, middle, spacing_mm)
        if two is not None:
            return two
    if across >= _HALF_ACROSS:
        sides = np.where(places < middle, RIGHT_LUNG, LEFT_LUNG)
    else:
        sides = np.full(len(places), RIGHT_LUNG if centre < middle else LEFT_LUNG)
    return np.broadcast_to(sides.astype(np.uint8), part.shape)


def _cut_at_the_waist(part: Bools, middle: float, spacing_mm: Spacing) -> Codes | None:
    """Cut two lungs that touch; None where shrinking leaves no two large parts on different sides."""
    steps = [max(1, round(_COARSE_MM / step)) for step in spacing_mm]
    coarse = part[:: steps[0], :: steps[1], :: steps[2]]
    left = coarse
    for _ in range(_MOST_SHRINKING):
        left = ndimage.binary_erosion(left)
        labels, count = ndimage.label(left)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        large = 1 + np.flatnonzero(sizes >= _ACROSS * sizes.sum())
        if not count:
            return None
        centres = [steps[2] * place[2] for place in ndimage.center_of_mass(left, labels, large)]
        sides = np.zeros(count + 1, np.uint8)
        sides[large] = [RIGHT_LUNG if centre < middle else LEFT_LUNG for centre in centres]
        if {RIGHT_LUNG, LEFT_LUNG} <= set(sides):
            seeds = sides[labels]
            sampling = [step * size for step, size in zip(steps, spacing_mm, strict=True)]
            nearest: Any = ndimage.distance_transform_edt(
                seeds == 0, sampling, return_distances=False, return_indices=True
            )
            where = (np.arange(length) // step for length, step in zip(part.shape, steps, strict=True))
            near: Codes = seeds[tuple(nearest)][np.ix_(*where)]
            return near
    return None
