"""Cohorts of images with labels, regions and splits, and the batches made from them."""

from sightline.data.batches import batches
from sightline.data.case_table import CaseTable
from sightline.data.check import Problem, check_cohort, raise_on_problems
from sightline.data.chosen_batches import chosen_batches
from sightline.data.cohort import Case, Cohort
from sightline.data.epochs import Batches
from sightline.data.gaze_files import GazeInput, GazeRegion, read_gaze, region_from_gaze, write_gaze
from sightline.data.planted_bias import PlantedBias
from sightline.data.prepared import Preprocessing
from sightline.data.prepared_cache import ImageCache
from sightline.data.reading import read_cohort
from sightline.data.settings import DataSettings
from sightline.data.splits import split_by_patient
from sightline.data.table import write_cohort
from sightline.data.transforms import Affine, Augmentation, move_boxes, move_points
from sightline.data.volume_batches import volume_batches
from sightline.data.volume_input import VolumeInput
from sightline.data.volume_motion import VolumeAugmentation

__all__ = [
    "Affine",
    "Augmentation",
    "Batches",
    "Case",
    "CaseTable",
    "Cohort",
    "DataSettings",
    "GazeInput",
    "GazeRegion",
    "ImageCache",
    "PlantedBias",
    "Preprocessing",
    "Problem",
    "VolumeAugmentation",
    "VolumeInput",
    "batches",
    "check_cohort",
    "chosen_batches",
    "move_boxes",
    "move_points",
    "raise_on_problems",
    "read_cohort",
    "read_gaze",
    "region_from_gaze",
    "split_by_patient",
    "volume_batches",
    "write_cohort",
    "write_gaze",
]
