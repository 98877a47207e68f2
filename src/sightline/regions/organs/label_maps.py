"""Organs from a segmentation that is there already: a label map and the names of its labels."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError
from sightline.regions.organs.halves import split_by_parts
from sightline.regions.organs.morphology import bounding_box
from sightline.regions.organs.partition import Organs, organs_of_lungs
from sightline.regions.organs.settings import LEFT_LUNG, MEDIASTINUM, RIGHT_LUNG, QualityLimits
from sightline.regions.organs.volume import Spacing, check_spacing, check_volume

BOTH_LUNGS = ("lung", "lungs", "lung_both", "both_lungs", "whole_lung", "wholelung")
ORGAN_OF_NAME: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(("lung_right", "right_lung"), RIGHT_LUNG),
        **{f"lung_{lobe}_lobe_right": RIGHT_LUNG for lobe in ("upper", "middle", "lower")},
        **dict.fromkeys(("lung_left", "left_lung"), LEFT_LUNG),
        **{f"lung_{lobe}_lobe_left": LEFT_LUNG for lobe in ("upper", "lower")},
        **dict.fromkeys(("mediastinum", "heart", "pericardium", "great_vessels", "thymus"), MEDIASTINUM),
        **dict.fromkeys(("aorta", "pulmonary_artery", "pulmonary_vein", "pulmonary_trunk"), MEDIASTINUM),
        **dict.fromkeys(("superior_vena_cava", "brachiocephalic_trunk"), MEDIASTINUM),
        **{f"brachiocephalic_vein_{side}": MEDIASTINUM for side in ("left", "right")},
        **{f"heart_{part}": MEDIASTINUM for part in ("myocardium", "atrium_left", "atrium_right")},
        **{f"heart_{part}": MEDIASTINUM for part in ("ventricle_left", "ventricle_right")},
        **dict.fromkeys(("atrial_appendage_left", "trachea", "airways", "esophagus", "oesophagus"), MEDIASTINUM),
    }
)
TOTAL_SEGMENTATOR: Mapping[int, str] = MappingProxyType(  # version 2, task `total`: what is an organ here
    {
        10: "lung_upper_lobe_left",
        11: "lung_lower_lobe_left",
        12: "lung_upper_lobe_right",
        13: "lung_middle_lobe_right",
        14: "lung_lower_lobe_right",
        15: "esophagus",
        16: "trachea",
        51: "heart",
        52: "aorta",
        53: "pulmonary_vein",
        54: "brachiocephalic_trunk",
        59: "brachiocephalic_vein_left",
        60: "brachiocephalic_vein_right",
        61: "atrial_appendage_left",
        62: "superior_vena_cava",
    }
)


def organs_from_labels(
    label_map: NDArray[Any],
    spacing_mm: Spacing,
    names: Mapping[int, str] = TOTAL_SEGMENTATOR,
    *,
    mediastinum: Literal["box", "labels"] = "box",
    limits: QualityLimits | None = None,
) -> Organs:
    """Make a partition of a segmentation.

    Names are matched without regard to case, spaces and hyphens. Both lungs under one name are parted as in
    `partition_organs`, about the middle of their box. Labels whose names mean no organ here count as 0.

    Args:
        label_map: `(D, H, W)` whole numbers, in the orientation of `partition_organs`.
        spacing_mm: distance between slices, rows and columns, mm.
        names: what each label means; TotalSegmentator's by default.
        mediastinum: `box` is that of `partition_organs`, so that both mean the same; `labels` takes the labels of
            heart, vessels, trachea and oesophagus.
        limits: of the quality; `QualityLimits()` if None.

    Raises:
        ShapeError: `label_map` is not `(D, H, W)` with at least one voxel.
        DataError: it holds no whole numbers, no name means a lung, or none means a part of the mediastinum that is
            asked for by labels.
    """
    spacing_mm = check_spacing(spacing_mm)
    check_volume(label_map, "label_map")
    if label_map.dtype.kind == "f" and any((section != np.rint(section)).any() for section in label_map):
        raise DataError("label_map must hold whole numbers; resample label maps to the nearest voxel")
    organ = {label: ORGAN_OF_NAME.get(_plain(name), 0) for label, name in names.items()}
    both = [label for label, name in names.items() if _plain(name) in BOTH_LUNGS]
    lungs = {code: [label for label, found in organ.items() if found == code] for code in (RIGHT_LUNG, LEFT_LUNG)}
    if not both and not all(lungs.values()):
        raise DataError(
            "names must mean both lungs, such as lung_right and lung_left, TotalSegmentator's lobes, or lung; "
            f"got {', '.join(map(str, names.values())) or 'none'}"
        )
    centre = [label for label, found in organ.items() if found == MEDIASTINUM]
    if mediastinum == "labels" and not centre:
        raise DataError("no name means a part of the mediastinum, such as heart or aorta; take mediastinum='box'")
    codes = np.zeros(label_map.shape, np.uint8)
    if both:
        codes[...] = _parted(np.isin(label_map, both), spacing_mm)
    for code, labels in lungs.items():
        codes[np.isin(label_map, labels)] = code
    between = np.isin(label_map, centre) if mediastinum == "labels" else None
    return organs_of_lungs(codes, spacing_mm, limits or QualityLimits(), between)


def _parted(lungs: NDArray[np.bool_], spacing_mm: Spacing) -> NDArray[np.uint8]:
    box = bounding_box(lungs)
    middle = 0.0 if box is None else (box[2].start + box[2].stop - 1) / 2
    return split_by_parts(lungs, middle, spacing_mm)


def _plain(name: str) -> str:
    return "_".join(str(name).lower().replace("-", " ").split())
