"""The lungs, more carefully: what is around a part and what it is made of decide, not its rank in size.

In each section the parts of air are told apart:

- air outside is what touches the border; a lung that the field of view cuts touches it too, but is denser than air;
- a lung has the body around it (`sides_with_body`), room air and the hollows of table and cushions have not;
- gas of airways and bowel is below -950 HU; of an emphysematous lung half may be so, but not nearly all of it.

What is left is joined in 3-D, and parts are kept by volume and density; no number of parts is asked for, so the tips
of apices and bases stay. Holes and notches are filled later (`fill_lungs`), so that vessels and nodules are lung too.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sightline.regions.organs.morphology import Bools, Ints, at_border, bounding_box, grow, inner, parts_kept, shrink
from sightline.regions.organs.settings import OrganSettings
from sightline.regions.organs.surroundings import sides_with_body
from sightline.regions.organs.volume import Numbers, Spacing, voxel_mm3

_AIR_HU = -1000.0
_BLUR_MM = 8.0  # noise and emphysema within this window are averaged before a lung is told from outside air
_NECK_MM = 3.0  # half the width of bridges that are cut there
_LEAST_CUT_MM2 = 1500.0  # smallest section of a lung that the field of view cuts
_GAS_IN_AIRWAY, _GAS_IN_LUNG = 0.5, 0.9  # largest shares of gas in a section as small as an airway's, and in a larger
_GAS_IN_PART = 0.1  # largest share of gas in a part smaller than a lung; in stool with gas there is more
_SIDES = 3  # of four that have the body; one may be open where the field of view cuts the chest
_SIZE, _CORE, _GAS = range(3)  # rows of `_measured`


def segment_lungs(hu: Numbers, spacing_mm: Spacing, settings: OrganSettings) -> Bools:
    """Segment both lungs without trachea, main bronchi, bowel, table and room air.

    Bronchi inside the lungs count as lung, and so do the last millimetres of a main bronchus, where no wall is seen.

    Args:
        hu: `(D, H, W)`, HU.
        spacing_mm: distance between slices, rows and columns, mm.
        settings: those of `robust`.

    Returns:
        True in the lungs, `(D, H, W)`.
    """
    kept = np.empty(hu.shape, bool)
    for number, section in enumerate(hu):
        kept[number] = air_in_the_chest(section, spacing_mm[1:], settings)
    box = bounding_box(kept)
    if box is not None:
        kept[box] &= _lung_parts(kept[box], hu[box], voxel_mm3(spacing_mm), settings)
    return kept


def air_in_the_chest(section: Numbers, pixel_mm: tuple[float, float], settings: OrganSettings) -> Bools:
    """Find the air of a section that may be lung.

    Args:
        section: `(H, W)`, HU.
        pixel_mm: distance between rows and between columns, mm.
        settings: those of `robust`.

    Returns:
        `(H, W)`.
    """
    air = section < settings.threshold_hu
    labels, count = ndimage.label(air)
    outside = np.zeros(count + 1, bool)
    outside[at_border(labels)] = True
    open_air = parts_kept(labels, outside)
    closed = air & ~open_air
    cut = _denser_than_air(section, open_air, pixel_mm, settings)
    if not (closed.any() or cut.any()):
        return closed
    sides = sides_with_body(~air, pixel_mm)
    within = np.bincount(labels[closed & (sides >= _SIDES)], minlength=count + 1)
    sizes = _measured(labels, closed, section, count, settings)
    small = sizes[_SIZE] * pixel_mm[0] * pixel_mm[1] <= settings.airway_mm2
    most = np.where(small, _GAS_IN_AIRWAY, _GAS_IN_LUNG) * sizes[_CORE]
    kept = parts_kept(labels, (within > 0.5 * sizes[_SIZE]) & (sizes[_GAS] <= most))
    return closed & kept | _mostly(cut, sides >= _SIDES)


def _denser_than_air(section: Numbers, air: Bools, pixel_mm: tuple[float, float], settings: OrganSettings) -> Bools:
    """Find what may be lung in the air that touches the border, where the field of view cuts the chest."""
    least = _LEAST_CUT_MM2 / (pixel_mm[0] * pixel_mm[1])
    if (air & (section >= settings.gas_hu)).sum() < least:
        return np.zeros(air.shape, bool)
    window = [max(3, round(_BLUR_MM / pixel)) for pixel in pixel_mm]
    smooth = ndimage.uniform_filter(section.astype(np.float32), window, mode="nearest")
    reach = max(1, round(_NECK_MM / min(pixel_mm)))
    labels, count = ndimage.label(shrink(air & (smooth >= (_AIR_HU + settings.gas_hu) / 2), reach))
    large = np.bincount(labels.ravel(), minlength=count + 1) >= least
    return grow(parts_kept(labels, large), reach) & air


def _mostly(mask: Bools, where: Bools) -> Bools:
    """Keep the parts of a section more than half of which lie where they should."""
    labels, count = ndimage.label(mask)
    sizes, there = (np.bincount(labels[pixels], minlength=count + 1) for pixels in (mask, mask & where))
    return parts_kept(labels, 2 * there > sizes)


def _lung_parts(air: Bools, hu: Numbers, voxel: float, settings: OrganSettings) -> Bools:
    """Keep the connected parts of a volume that are lung, by volume and density."""
    labels, count = ndimage.label(air)
    sizes = np.zeros((3, count + 1), np.int64)
    for section, there, values in zip(labels, air, hu, strict=True):
        sizes += _measured(section, there, values, count, settings)
    volumes = sizes[_SIZE] * voxel
    most = np.where(volumes >= settings.least_volume_mm3, _GAS_IN_LUNG, _GAS_IN_PART) * sizes[_CORE]
    return parts_kept(labels, (volumes >= settings.least_part_mm3) & (sizes[_GAS] <= most))


def _measured(labels: Ints, there: Bools, values: Numbers, count: int, settings: OrganSettings) -> NDArray[np.int64]:
    """Count each part's pixels of a section: all, those inside it, and of these the ones that are gas.

    Pixels at a part's border are left out of the latter, because they hold some of what is beyond.

    Args:
        labels: parts from 1 to `count`, `(H, W)`.
        there: where to look, `(H, W)`.
        values: HU, `(H, W)`.
        count: number of parts.
        settings: `gas_hu`.

    Returns:
        `(3, count + 1)`.
    """
    core = there & inner(there)
    parts = labels[core]
    found = (labels[there], parts, parts[values[core] < settings.gas_hu])
    return np.stack([np.bincount(each, minlength=count + 1) for each in found])
