"""Cohorts of images with labels, regions and splits, and the batches made from them."""

from sightline.data.batches import Batches, batches
from sightline.data.check import Problem, check_cohort, raise_on_problems
from sightline.data.cohort import Case, Cohort
from sightline.data.planted_bias import PlantedBias
from sightline.data.prepared import ImageCache, Preprocessing
from sightline.data.reading import read_cohort
from sightline.data.settings import DataSettings
from sightline.data.splits import split_by_patient
from sightline.data.table import write_cohort
from sightline.data.transforms import Augmentation

__all__ = [
    "Augmentation",
    "Batches",
    "Case",
    "Cohort",
    "DataSettings",
    "ImageCache",
    "PlantedBias",
    "Preprocessing",
    "Problem",
    "batches",
    "check_cohort",
    "raise_on_problems",
    "read_cohort",
    "split_by_patient",
    "write_cohort",
]
