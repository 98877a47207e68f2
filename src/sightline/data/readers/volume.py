"""Volumes in one orientation: slices from head to feet, rows from front to back, columns from right to left.

So index 0 of each axis is the patient's head, front and right, as in the papers on chest CT: each slice looks as a
radiologist sees it, with the patient's left on the right of the image.
"""

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np

from sightline.data.images import ARRAYS, NIFTI, Array
from sightline.data.readers.files import at_hand, image_suffix
from sightline.errors import DataError, DataNotFoundError
from sightline.stores import fetched

_ALONG = (2, 1, 0)  # slices run along z, rows along y, columns along x


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume and where it lies.

    Attributes:
        values: as measured, such as HU, `(D, H, W)` float32.
        spacing_mm: distance between slices, rows and columns, mm; None where not known.
        affine: `(4, 4)` float64, maps (slice, row, column, 1) to x, y and z in mm, which lead to the patient's right,
            front and head (RAS+, as in NIfTI); None where not known.
    """

    values: Array
    spacing_mm: tuple[float, float, float] | None = None
    affine: Array | None = None


def read_volume(path: Path, *, name: str = "") -> Volume:
    """Read a volume.

    - NIfTI: `.nii`, `.nii.gz`, with its slope and intercept;
    - DICOM: a folder with the slices of one series, or a file of many frames, with the rescale of each;
    - a prepared volume: a folder `.zarr`;
    - NumPy: `.npy`, `.npz` or `file.npz#name`, taken as (slice, row, column) in the orientation above.

    Args:
        path: the file or folder.
        name: what to call it in messages.

    Raises:
        DataNotFoundError: there is no such file or folder.
        DataError: it cannot be read to its end, is no volume, holds NaN or infinity, or its slices do not make one
            volume.
        MissingExtraError: a codec or zarr is not installed.
    """
    file, part = at_hand(Path(path))
    name = name or Path(path).name
    if not file.exists():
        raise DataNotFoundError(f"{name}: no such volume")
    suffix = image_suffix(file)
    if suffix in ARRAYS:
        volume = _from_array(file, part, name)
    elif suffix in NIFTI:
        from sightline.data.readers.nifti import read_nifti

        volume = read_nifti(file, name=name)
    elif file.suffix.lower() == ".zarr" and file.is_dir():
        from sightline.data.volumes.store import read_store

        volume = read_store(file, name=name)
    else:
        from sightline.data.readers.series import read_series

        volume = read_series(file, name=name)
    if bad := int((~np.isfinite(volume.values)).sum()):
        raise DataError(f"{name}: {bad} of {volume.values.size} values are NaN or infinite")
    return volume


def is_volume(path: Path, *, name: str) -> bool:
    """Tell whether a path holds a volume and not an image: a folder, or NIfTI or `.npy` of three long axes.

    Raises:
        DataError: the file cannot be read.
    """
    path = fetched(path)
    if path.is_dir():
        return True
    suffix = image_suffix(path)
    if suffix in NIFTI:
        from sightline.data.readers.nifti import nifti_shape

        return sum(length > 1 for length in nifti_shape(path, name=name)) > 2
    if suffix != ".npy":
        return False
    try:
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
    except Exception as error:  # NumPy raises anything on a broken file; an archive has no shape
        raise DataError(f"{name}: unreadable or truncated image ({' '.join(str(error).split())})") from None
    return len(shape) == 3 and shape[-1] not in (1, 3)


def canonical(values: Array, affine: Array) -> Volume:
    """Return a volume in the orientation of this module; arguments as `reorient`."""
    values, affine = reorient(values, affine)
    slices, rows, columns = np.linalg.norm(affine[:3, :3], axis=0)
    return Volume(values.astype(np.float32), (float(slices), float(rows), float(columns)), affine)


def reorient(values: Array, affine: Array) -> tuple[Array, Array]:
    """Exchange axes and turn them around until they lead as this module says; nothing is resampled.

    Args:
        values: `(I, J, K)`.
        affine: `(4, 4)`, maps (i, j, k, 1) to mm, where x, y and z lead to the patient's right, front and head (RAS+).

    Returns:
        `(D, H, W)`, and the affine of its slices, rows and columns.

    Raises:
        DataError: two axes lead the same way.
    """
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or not lengths.all() or abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-6:
        raise DataError("the affine does not say where the axes lead")
    cosines = affine[:3, :3] / lengths  # (x y z, axis)
    order = max(
        permutations(range(3)), key=lambda axes: sum(abs(cosines[d, a]) for d, a in zip(_ALONG, axes, strict=True))
    )
    turned, change = values.transpose(order), np.eye(4)[:, [*order, 3]]
    for axis, (along, a) in enumerate(zip(_ALONG, order, strict=True)):
        if cosines[along, a] > 0:  # slices lead down, rows back, columns left: each towards falling z, y, x
            turned = np.flip(turned, axis)
            change[:, 3] += change[:, axis] * (turned.shape[axis] - 1)
            change[:, axis] *= -1
    return np.ascontiguousarray(turned), affine @ change


def _from_array(file: Path, part: str, name: str) -> Volume:
    from sightline.data.readers.arrays import read_array

    values = read_array(file, part=part, name=name)
    if values.ndim != 3:
        raise DataError(f"{name}: a volume must be (slices, rows, columns), got {values.shape}")
    return Volume(values.astype(np.float32))
