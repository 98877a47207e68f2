"""From one raw CT to one prepared volume: a job that can be done again and again.

HU are checked, raised to the lower limit so that the padding outside the field of view (-2000, -3024) does not ring,
resampled by a cubic B-spline, clipped and rounded; then organs are found, masks brought onto the new grid, and the
store is renamed into its place as the last step. A store that was made from the same files in the same way is left as
it is.

Reference:
    Draelos and Carin 2020, arXiv:2011.08891; the order of steps is that of its public preprocessing, which refuses what
    is not axial with square pixels, while here grids are turned upright and resampled whatever their pixels are.
"""

import gzip
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sightline.data.images import ARRAYS, NIFTI, Array
from sightline.data.readers.files import at_hand, image_suffix, is_image_file, located
from sightline.data.readers.masks import read_mask
from sightline.data.readers.volume import Volume, read_volume, reorient
from sightline.data.volumes.checking import check_units, check_volume
from sightline.data.volumes.discovering import Source
from sightline.data.volumes.resampling import resample, resample_labels, resampled_affine
from sightline.data.volumes.store import STORE_HEAD, STORE_HEADS, STORE_SUFFIX, is_store, read_about, write_store
from sightline.errors import (
    DataError,
    DataNotFoundError,
    MissingExtraError,
    RunError,
    ServerError,
    SettingsError,
    SightlineError,
)
from sightline.runs import atomic_path
from sightline.stores import cache_folder, fetched, files_under, outgoing, store_url, there, version

VOLUMES = "volumes"
_WAY = 1  # counts up where the same request gives other voxels


@dataclass(frozen=True)
class Preparation:
    """What is made of a CT.

    Attributes:
        spacing_mm: between slices, rows and columns.
        clip_hu: beyond which values are cut off.
        organs: also find the lungs and the mediastinum.
    """

    spacing_mm: tuple[float, float, float] = (0.8, 0.8, 0.8)
    clip_hu: tuple[int, int] = (-1000, 1000)
    organs: bool = False

    def __post_init__(self) -> None:
        if not all(0 < s < math.inf for s in self.spacing_mm):
            raise SettingsError(f"spacing must be three lengths above 0 mm, got {list(self.spacing_mm)}")
        low, high = self.clip_hu
        if not -(1 << 15) < low < high < 1 << 15:
            raise SettingsError(f"clip must be two growing HU between -32767 and 32767, got {[low, high]}")


@dataclass(frozen=True)
class Job:
    """One volume to be prepared.

    Attributes:
        source: what of.
        out: folder that holds `volumes`.
        preparation: how.
        masks: masks of the source, with their part if they have one, and the file that each becomes.
        address: of `out` where that stands for a folder in a store.
    """

    source: Source
    out: Path
    preparation: Preparation
    masks: Mapping[Path, Path] = field(default_factory=dict, hash=False)
    address: str = ""

    @property
    def store(self) -> Path:
        """Folder of the prepared volume."""
        return self.out / VOLUMES / f"{self.source.id}{STORE_SUFFIX}"


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        id: name of the volume.
        source: where it came from.
        reason: why it cannot be used; empty if it can.
        about: attributes of its store, and its shape.
        kept: it was there already.
    """

    id: str
    source: str
    reason: str = ""
    about: Mapping[str, Any] = field(default_factory=dict, hash=False)
    kept: bool = False


def prepare_volume(job: Job) -> Outcome:
    """Prepare one volume; what cannot be used is told in the outcome.

    Raises:
        MissingExtraError: something is not installed.
        RunError: the folder cannot be written to, or does not stand for a folder in the store on this machine.
        ServerError: the store that it is in refuses or does not answer.
    """
    if job.address and store_url(job.out) != job.address:
        raise RunError(
            f"{job.address} is {job.out} where the work was planned, but the cache folder of this process is "
            f"{cache_folder()}; give SIGHTLINE_CACHE the same value on all machines"
        )
    source = job.source
    try:
        request = _request(job)
        about = _kept(job, request)
        return Outcome(source.id, source.name, about=about or _made(job, request), kept=about is not None)
    except (MissingExtraError, RunError, ServerError):
        raise
    except SightlineError as error:
        return Outcome(source.id, source.name, " ".join(str(error).split()))
    except MemoryError:
        return Outcome(source.id, source.name, f"{source.name}: too large for the memory of this machine")
    except Exception as error:  # its words may hold what a header says
        return Outcome(source.id, source.name, f"{source.name}: cannot be prepared ({type(error).__name__})")


def prepared(volume: Volume, preparation: Preparation, *, name: str) -> tuple[Array, Array]:
    """Return the HU of a volume, checked, resampled and clipped.

    Args:
        volume: as read; its values are cut off at the lower limit in place.
        preparation: how.
        name: what to call it in messages.

    Returns:
        `(D, H, W)` int16, and its affine.

    Raises:
        DataError: the volume cannot be used.
    """
    spacing, affine = check_volume(volume, name=name)
    (low, high), target = preparation.clip_hu, preparation.spacing_mm
    values = np.maximum(volume.values, np.float32(low), out=volume.values)
    shape = values.shape
    resampled = resample(values, spacing, target)
    np.rint(np.clip(resampled, low, high, out=resampled), out=resampled)
    return resampled.astype(np.int16), resampled_affine(affine, shape, spacing, target)


def _request(job: Job) -> str:
    """Return a checksum of all that a store depends on: the files, by size and time of change, and what is made."""
    files = [*_files_of(job.source), *(located(mask)[0] for mask in job.masks)]
    stats = [(file.name, found.size, found.changed_ns) for file in files if (found := version(file))]
    way = job.preparation
    masks = [(mask.name, made.name) for mask, made in job.masks.items()]
    asked = [_WAY, job.source.name, stats, way.spacing_mm, way.clip_hu, way.organs, masks]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _files_of(source: Source) -> list[Path]:
    return list(source.files) or files_under(located(source.path)[0])


def _kept(job: Job, request: str) -> dict[str, Any] | None:
    """Return what is known about the store if it is there, readable and of this request."""
    heads = [job.store / name for name in STORE_HEADS]
    if not all(map(there, (*heads, *job.masks.values()))):
        return None
    try:
        for head in heads:
            fetched(head)
        about = read_about(job.store)
    except (DataError, DataNotFoundError):
        return None
    return about if about.get("request") == request else None


def _made(job: Job, request: str) -> dict[str, Any]:
    source, way = job.source, job.preparation
    volume = _read(source)
    source_shape, source_mm = volume.values.shape, volume.spacing_mm
    ct, affine = prepared(volume, way, name=source.name)
    about: dict[str, Any] = {"source": source.name, "request": request}
    about |= {"source_shape": list(source_shape), "source_spacing_mm": list(source_mm or ())}
    del volume
    organs = None
    if way.organs:
        from sightline.regions.organs import partition_organs

        found = partition_organs(ct, way.spacing_mm)
        organs = np.asarray(found.labels, np.uint8)
        about["organs_quality"] = asdict(found.quality) | {"reasons": list(found.quality.reasons)}
    for mask, made in job.masks.items():
        _write_mask(mask, made, job, source_shape, source_mm or way.spacing_mm, affine)
    with outgoing(job.store, last=STORE_HEAD) as folder:
        write_store(folder, ct, spacing_mm=way.spacing_mm, affine=affine, organs=organs, about=about)
    return {**about, "spacing_mm": list(way.spacing_mm), "affine": affine.tolist(), "shape": list(ct.shape)}


def _read(source: Source) -> Volume:
    """Read the volume of a source; DICOM must say that it is in HU."""
    file, _ = at_hand(source.path)
    if is_store(source.path) or image_suffix(file) in NIFTI | ARRAYS:
        return read_volume(source.path, name=source.name)
    from sightline.data.readers.series import read_series

    files = source.files
    if source.path.is_dir() and not files:
        files = tuple(sorted(file for file in source.path.iterdir() if is_image_file(file)))
    check_units(files or (source.path,), name=source.name)
    volume = read_series(source.path, name=source.name, files=files)
    if not np.isfinite(volume.values).all():
        raise DataError(f"{source.name}: its values are not all finite")
    return volume


def _write_mask(
    mask: Path, made: Path, job: Job, shape: tuple[int, ...], spacing_mm: tuple[float, float, float], affine: Array
) -> None:
    """Bring a mask of the source onto the grid of the prepared volume, labels as they are, and write it as NIfTI."""
    import nibabel  # takes as long as NumPy

    labels = _labels(mask, job.source)
    if labels.shape != shape:
        sizes = [" x ".join(map(str, each)) for each in (labels.shape, shape)]
        raise DataError(f"{job.source.name}: its mask {mask.name} has {sizes[0]} voxels, the volume {sizes[1]}")
    new = resample_labels(labels, spacing_mm, job.preparation.spacing_mm)
    make: Any = nibabel.Nifti1Image  # untyped
    image = make(np.ascontiguousarray(new.T), affine[:, [2, 1, 0, 3]])
    image.header.set_xyzt_units("mm")
    with outgoing(made) as file, atomic_path(file) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))


def _labels(mask: Path, source: Source) -> Array:
    """Read a label map whole, since classes may share it, and other masks by their part."""
    file, _ = at_hand(mask)
    if image_suffix(file) not in NIFTI:
        given = read_mask(mask, image=source.path)
        inside: Array = given >= 0.5 if given.dtype.kind == "f" else given != 0
        return inside.astype(np.uint8)
    from sightline.data.readers.nifti import load_nifti

    values, affine = load_nifti(file, name=mask.name)
    labels, _ = reorient(values, affine)
    if labels.dtype.kind == "f":
        whole = bool((labels == np.rint(labels)).all())
        return labels.astype(np.int32) if whole else (labels >= 0.5).astype(np.uint8)
    return labels.astype(np.uint8) if labels.dtype == bool else labels.astype(np.int32)
