"""Chest CT made ready: found in folders, checked, resampled, kept as compressed arrays."""

from sightline.data.volumes.discovering import Place, Source, find_places, sources_at
from sightline.data.volumes.labels import Labelled, prepared_cohort, read_labels
from sightline.data.volumes.planning import Plan, plan_volumes
from sightline.data.volumes.prepare import Job, Outcome, Preparation, prepare_volume
from sightline.data.volumes.prepare_many import prepare_volumes, write_tables
from sightline.data.volumes.resampling import resample, resample_labels, resampled_affine, resampled_shape
from sightline.data.volumes.store import open_array, read_array, read_store, write_store
from sightline.machines import Machines

__all__ = [
    "Job",
    "Labelled",
    "Machines",
    "Outcome",
    "Place",
    "Plan",
    "Preparation",
    "Source",
    "find_places",
    "open_array",
    "plan_volumes",
    "prepare_volume",
    "prepare_volumes",
    "prepared_cohort",
    "read_array",
    "read_labels",
    "read_store",
    "resample",
    "resample_labels",
    "resampled_affine",
    "resampled_shape",
    "sources_at",
    "write_store",
    "write_tables",
]
