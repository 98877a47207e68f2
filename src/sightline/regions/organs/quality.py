"""Whether a partition is to be trusted; where not, `sightline.regions.allowed.heuristic_masks` stand in."""

import math
from dataclasses import dataclass

from sightline.regions.organs.mediastinum import Box
from sightline.regions.organs.settings import QualityLimits
from sightline.regions.organs.volume import Spacing


@dataclass(frozen=True)
class OrganQuality:
    """Whether a partition passed.

    Attributes:
        passed: whether it did.
        reasons: what speaks against it, a few words each; empty where it passed.
        right_ml: volume of the right lung, ml.
        left_ml: volume of the left lung, ml.
    """

    passed: bool
    reasons: tuple[str, ...]
    right_ml: float
    left_ml: float


def judge(right_ml: float, left_ml: float, box: Box | None, spacing_mm: Spacing, limits: QualityLimits) -> OrganQuality:
    """Judge a partition by the lungs' volumes and their box.

    Args:
        right_ml: volume of the right lung, ml.
        left_ml: volume of the left lung, ml.
        box: around both lungs; None where there are none.
        spacing_mm: distance between slices, rows and columns, mm.
        limits: beyond which it does not pass.

    Reference:
        The last two limits: Draelos and Carin, arXiv:2011.08891, supplement 12.2 and the code published with it.
    """
    if box is None:
        return OrganQuality(False, ("no lung found",), right_ml, left_ml)
    column = spacing_mm[2]
    start, end = box[2].start * column, box[2].stop * column
    share = min(right_ml, left_ml) / (right_ml + left_ml)
    found = {
        f"right lung {right_ml:.0f} ml": not limits.least_lung_ml <= right_ml <= limits.most_lung_ml,
        f"left lung {left_ml:.0f} ml": not limits.least_lung_ml <= left_ml <= limits.most_lung_ml,
        f"the smaller lung has {share:.0%} of both": share < limits.least_share,
        f"lungs {end - start:.0f} mm wide": end - start < limits.least_width_mm,
        f"lungs start {start:.0f} mm from the right border": start > (limits.right_start_mm or math.inf),
        f"lungs end {end:.0f} mm from the right border": end < (limits.left_end_mm or 0),
    }
    reasons = tuple(words for words, is_so in found.items() if is_so)
    return OrganQuality(not reasons, reasons, right_ml, left_ml)
