"""Images that are in no cohort: files and folders as they are named, prepared as a run prepares its own."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sightline.data import Case, Cohort, Preprocessing, batches
from sightline.data.images import IMAGE_SUFFIXES, NIFTI, Array, to_unit
from sightline.data.readers.files import image_suffix, is_image_file
from sightline.data.readers.volume import is_volume, read_volume
from sightline.errors import DataError, DataNotFoundError
from sightline.types import Batch

_log = logging.getLogger(__name__)
_AXES = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}


def given_images(paths: Sequence[Path], cohort: Cohort, *, leave_out: Path | None = None) -> Cohort:
    """Return image files as cases of which nothing is known, in the order given; those of a folder by name.

    A case is named by its file, as seen from the folder that all files have in common.

    Args:
        paths: image files, and folders with images in them or below.
        cohort: of the model: its classes and value range.
        leave_out: folder whose images are not taken, such as the one that maps are written to.

    Raises:
        DataNotFoundError: a path is not there.
        DataError: a file is no image, or a folder holds none.
    """
    files = list(dict.fromkeys(file for path in paths for file in _files_of(path, leave_out)))
    root = Path(os.path.commonpath([file.parent for file in files]))
    unknown = (float("nan"),) * cohort.num_classes if cohort.task == "multilabel" else -1
    names = [file.relative_to(root).as_posix() for file in files]
    cases = tuple(Case(name, file, unknown, name) for name, file in zip(names, files, strict=True))
    return replace(cohort, root=root, cases=cases)


def given_batches(
    images: Cohort, preprocessing: Preprocessing, *, axes: int | None, batch_size: int, workers: int = 0
) -> Iterable[Batch]:
    """Return the batches of given images; labels and regions in them are unknown.

    Images are prepared as those of a cohort. A volume, a `.npy` array or NIfTI, must have the side that the
    preprocessing makes along each axis: it is scaled and its contrast set, but it is not resized. An image that the
    value range of the cohort turns white for the most part is logged as a warning, because its pixels are likely to be
    on another scale.

    Args:
        images: from `given_images`.
        preprocessing: of the run.
        axes: spatial axes of what the model takes, as `spatial_axes` finds them; None where not known.
        batch_size: images a batch.
        workers: threads that prepare images ahead of time.

    Raises:
        DataError: a volume was given to a model of images, or the reverse; later, an image cannot be used.
    """
    for case in images.cases:
        volume = is_volume(case.image, name=case.image.name)
        if volume and axes != 3:
            raise DataError(f"{case.id}: a volume, but the model takes images of {axes or 2} axes; give slices of it")
        if axes == 3 and not volume:
            raise DataError(f"{case.id}: an image, but the model takes volumes; give .npy arrays (D, H, W) or NIfTI")
    if axes == 3:
        return _checked(_volumes(images, preprocessing, batch_size), images)
    return _checked(batches(images, preprocessing, batch_size=batch_size, seed=None, workers=workers), images)


def off_scale(batch: Batch, images: Cohort) -> dict[str, str]:
    """Return a warning by case of images that the value range of the cohort turns white for the most part."""
    if images.value_range is None:
        return {}
    limits = "{:g} to {:g}".format(*images.value_range)
    white = (batch.images >= 1).flatten(1).double().mean(1).tolist()
    return {
        case: f"{100 * share:.0f} % of it is white by the cohort's value_range, {limits}; are its pixels on that scale?"
        for case, share in zip(batch.cases, white, strict=True)
        if share > 0.5
    }


def spatial_axes(model: nn.Module) -> int | None:
    """Return how many spatial axes the model's first convolution has; None where it has no convolution."""
    return next((axes for part in model.modules() for kind, axes in _AXES.items() if isinstance(part, kind)), None)


def _files_of(path: Path, leave_out: Path | None) -> Iterator[Path]:
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links, and name other files
    if not path.exists():
        raise DataNotFoundError(f"{path}: no such image file or folder")
    if not path.is_dir():
        if not is_image_file(path):
            raise DataError(f"{path} is not an image file ({', '.join(sorted(IMAGE_SUFFIXES))})")
        yield absolute
        return
    without = leave_out and Path(os.path.abspath(leave_out))  # noqa: PTH100 - as above
    found = [
        file
        for file in sorted(absolute.rglob("*"))
        if is_image_file(file)
        and not any(part.startswith(".") for part in file.relative_to(absolute).parts)
        and not (without and file.is_relative_to(without))
    ]
    if not found:
        raise DataError(f"no images in {path} ({', '.join(sorted(IMAGE_SUFFIXES))})")
    yield from found


def _checked(made: Iterable[Batch], images: Cohort) -> Iterator[Batch]:
    """Pass batches on, and tell of images that are on another scale than the cohort."""
    for batch in made:
        for case, words in off_scale(batch, images).items():
            _log.warning("%s: %s", case, words)
        yield batch


def _volumes(images: Cohort, preprocessing: Preprocessing, batch_size: int) -> Iterator[Batch]:
    for start in range(0, len(images.cases), batch_size):
        cases = images.cases[start : start + batch_size]
        volumes = torch.from_numpy(np.stack([_volume(case, images, preprocessing) for case in cases]))[:, None]
        regions = torch.full_like(volumes, torch.nan)
        volumes = volumes.expand(-1, preprocessing.channels, -1, -1, -1).contiguous()
        yield Batch(volumes, torch.tensor([case.label for case in cases]), regions, tuple(case.id for case in cases))


def _volume(case: Case, images: Cohort, preprocessing: Preprocessing) -> Array:
    nifti = image_suffix(case.image) in NIFTI
    stored: Array = read_volume(case.image, name=case.id).values if nifti else np.load(case.image, allow_pickle=False)
    side = preprocessing.size
    if stored.shape != (side,) * 3:
        raise DataError(f"{case.id}: volume must be {side} x {side} x {side}, got {stored.shape}; resample it first")
    if stored.dtype.kind not in "buif":
        raise DataError(f"{case.id}: volume must hold real numbers, got {stored.dtype}")
    pixels = stored if stored.dtype in (np.uint8, np.uint16) else stored.astype(np.float32)
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise DataError(f"{case.id}: volume holds NaN or infinity")
    unit = to_unit(pixels, value_range=preprocessing.window or images.value_range, name=case.id)
    return preprocessing.adjusted(unit)
