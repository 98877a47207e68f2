"""Chest CT parted into right lung, mediastinum and left lung: without training, or from a segmentation there is."""

from sightline.regions.organs.label_maps import ORGAN_OF_NAME, TOTAL_SEGMENTATOR, organs_from_labels
from sightline.regions.organs.lungs import segment_lungs_of_paper
from sightline.regions.organs.partition import Organs, partition_organs
from sightline.regions.organs.quality import OrganQuality
from sightline.regions.organs.settings import (
    LEFT_LUNG,
    MEDIASTINUM,
    PAPER,
    PAPER_LIMITS,
    RIGHT_LUNG,
    OrganSettings,
    QualityLimits,
)

__all__ = [
    "LEFT_LUNG",
    "MEDIASTINUM",
    "ORGAN_OF_NAME",
    "PAPER",
    "PAPER_LIMITS",
    "RIGHT_LUNG",
    "TOTAL_SEGMENTATOR",
    "OrganQuality",
    "OrganSettings",
    "Organs",
    "QualityLimits",
    "organs_from_labels",
    "partition_organs",
    "segment_lungs_of_paper",
]
