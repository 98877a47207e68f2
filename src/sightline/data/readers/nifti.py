"""NIfTI files, in the orientation of `volume`.

The affine is nibabel's choice: sform before qform, and the one it falls back to where neither is set. Nothing of the
header is passed on but that, so what a description or a name in it says stays in the file.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from sightline.data.images import Array
from sightline.data.readers.volume import Volume, canonical, reorient
from sightline.errors import DataError

_DEFLATED = 1032  # bytes that one byte of gzip can hold at most


def read_nifti(path: Path, *, name: str) -> Volume:
    """Read a NIfTI file as a volume.

    Args:
        path: the file.
        name: what to call it in messages.

    Raises:
        DataError: it cannot be read to its end, has other than three axes, or does not say where they lead.
    """
    values, affine = load_nifti(path, name=name)
    try:
        return canonical(values, affine)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def read_nifti_image(path: Path, *, name: str) -> Array:
    """Read a NIfTI file of one slice as an image, upright as `volume` says.

    Args:
        path: the file.
        name: what to call it in messages.

    Returns:
        uint8 or uint16 if stored so and not rescaled, else float32, `(H, W)`.

    Raises:
        DataError: as `read_nifti`, or it has more than one slice.
    """
    values, affine = load_nifti(path, name=name)
    if 1 not in values.shape:
        raise DataError(f"{name}: a volume of {' x '.join(map(str, values.shape))}, not an image; use read_volume")
    try:
        turned, _ = reorient(values, affine)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    image = turned.squeeze(axis=turned.shape.index(1))
    return image if image.dtype in (np.uint8, np.uint16) else image.astype(np.float32)


def nifti_shape(path: Path, *, name: str) -> tuple[int, ...]:
    """Return the lengths of all axes, from the header alone.

    Raises:
        DataError: it is no NIfTI file.
    """
    import nibabel

    try:
        image: Any = nibabel.load(path)
        return tuple(image.shape)
    except Exception as error:
        raise DataError(f"{name}: unreadable or truncated NIfTI file ({type(error).__name__})") from None


def load_nifti(path: Path, *, name: str) -> tuple[Array, Array]:
    """Return values `(I, J, K)`, rescaled if the header says so, and the affine to RAS+ mm; errors as `read_nifti`."""
    import nibabel  # takes as long as NumPy

    try:
        image: Any = nibabel.load(path)
        _check_size(image.dataobj, path, name)
        values: Array = np.asanyarray(image.dataobj)
        affine = np.asarray(image.affine, np.float64)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{name}: unreadable or truncated NIfTI file ({type(error).__name__})") from None
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or not values.size:
        raise DataError(f"{name}: NIfTI file must have three axes, got {values.shape}")
    if values.dtype.kind not in "biuf":
        raise DataError(f"{name}: NIfTI file must hold real numbers, got {values.dtype}")
    return values.astype(values.dtype.newbyteorder("="), copy=False), affine


def _check_size(stored: Any, path: Path, name: str) -> None:  # noqa: ANN401 - nibabel is untyped
    """Refuse a header that announces more than the file can hold: nibabel makes room for it before it reads."""
    announced = int(stored.offset) + math.prod(map(int, stored.shape)) * stored.dtype.itemsize
    size = path.stat().st_size
    if announced > size * (_DEFLATED if path.name.lower().endswith(".gz") else 1):
        raise DataError(f"{name}: unreadable or truncated NIfTI file ({size} bytes; its header announces {announced})")
