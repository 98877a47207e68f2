"""PARTITION: allowed regions of each class from findings, their places in a report, and organ masks."""

from sightline.regions.allowed.allowed_regions import allowed_regions
from sightline.regions.allowed.downsampling import Downsampling, Middle, downsample_masks, heuristic_masks, organ_masks
from sightline.regions.allowed.findings_organs import ORGANS, organs_of_findings, organs_of_label
from sightline.regions.allowed.study_labels import (
    LEFT_LUNG,
    LUNG_ONLY,
    PLACES,
    RIGHT_LUNG,
    STUDY_LABELS,
    StudyLabel,
    label_groups,
)

__all__ = [
    "LEFT_LUNG",
    "LUNG_ONLY",
    "ORGANS",
    "PLACES",
    "RIGHT_LUNG",
    "STUDY_LABELS",
    "Downsampling",
    "Middle",
    "StudyLabel",
    "allowed_regions",
    "downsample_masks",
    "heuristic_masks",
    "label_groups",
    "organ_masks",
    "organs_of_findings",
    "organs_of_label",
]
