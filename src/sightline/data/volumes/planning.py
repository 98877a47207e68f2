"""What is to be prepared: the volumes of a folder or a cohort, with what is known about them."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sightline.data.reading import read_cohort
from sightline.data.table import TABLE_NAME
from sightline.data.volumes.discovering import find_places
from sightline.data.volumes.labels import Labelled, mask_files, prepared_masks, read_labels, sources_of
from sightline.data.volumes.prepare import Job, Preparation
from sightline.data.volumes.prepare_many import find_sources
from sightline.errors import DataError, SettingsError
from sightline.machines import Machines
from sightline.shards import Shard, shard_of
from sightline.stores import store_url
from sightline.urls import url_of

_log = logging.getLogger(__name__)
_SHOWN = 3


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        jobs: one a volume.
        labelled: what is known about the volumes; None if nothing.
        names: by case of it the name of its volume.
    """

    jobs: tuple[Job, ...]
    labelled: Labelled | None
    names: Mapping[str, str]


def plan_volumes(
    source: Path,
    out: Path,
    preparation: Preparation,
    *,
    labels: Path | None = None,
    shard: Shard | None = None,
    machines: Machines | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Plan:
    """Find the volumes and say what is to be done with each.

    Args:
        source: a folder with DICOM series, NIfTI files and prepared volumes, one of these, or a cohort of volumes,
            which may lie in a store.
        out: folder for what is made; it is not looked into if it lies in the other.
        preparation: what is made of each volume.
        labels: table of what is known about them; by default what the cohort knows.
        shard: do only the i-th of n parts, `(i, n)`.
        machines: where headers are read.
        progress: called with the number of folders looked at and their total.

    Raises:
        DataNotFoundError, DataError: there are no volumes, or the table or the cohort cannot be used.
        SettingsError: the table names organs, which are not asked for, or the shard does not exist.
    """
    out, labelled = out.absolute(), read_labels(labels) if labels else None
    if labelled and labelled.organs and not preparation.organs:
        first = next(iter(labelled.organs.values()))
        raise SettingsError(f"the table of labels names organs such as {first}; ask for organs")
    if url_of(source) or source.suffix.lower() == ".csv" or (source / TABLE_NAME).is_file():
        cohort = read_cohort(source)
        labelled = labelled or Labelled(cohort)
        names, sources = sources_of(cohort)
        sources = shard_of(sources, shard) if shard else sources
    else:
        places = find_places(source, but=out)
        places = shard_of(places, shard) if shard else places
        sources = find_sources(places, machines or Machines(), progress)
        names = {each.id: each.id for each in sources}
    masks: dict[str, Mapping[Path, Path]] = {}
    if labelled is not None:
        if shard is None:
            _check_ids(labelled, names)
        for case in labelled.cohort.cases:
            if case.id in names:
                masks[names[case.id]] = mask_files(prepared_masks(case, names[case.id], out))
    address = store_url(out) or ""
    jobs = tuple(Job(each, out, preparation, masks.get(each.id, {}), address) for each in sources)
    return Plan(jobs, labelled, names)


def _check_ids(labelled: Labelled, names: Mapping[str, str]) -> None:
    """Say which labels have no volume, and refuse a table none of whose ids is that of a volume."""
    ids = [case.id for case in labelled.cohort.cases]
    lone = [name for name in ids if name not in names]
    if len(lone) == len(ids):
        there = ", ".join(list(names)[:_SHOWN])
        raise DataError(f"none of the {len(ids)} ids of the labels, such as {ids[0]!r}, is a volume; those are {there}")
    if lone:
        _log.warning("%d ids of the labels have no volume, such as %s", len(lone), ", ".join(lone[:_SHOWN]))
