"""Pixels and volumes in NumPy files: `.npy` with one array, `.npz` with one, or with a named one as `file.npz#name`."""

from pathlib import Path

import numpy as np

from sightline.data.cohort import did_you_mean
from sightline.data.images import Array
from sightline.errors import DataError

LUMA = (0.299, 0.587, 0.114)  # ITU-R 601


def read_array(path: Path, *, part: str = "", name: str) -> Array:
    """Read an array of real numbers as it is stored.

    Args:
        path: the file.
        part: name of the array in a `.npz` file; it may be left out where there is but one.
        name: what to call the file in messages.

    Returns:
        uint8, uint16 or float32; bool becomes uint8 with 255 for True.

    Raises:
        DataError: it cannot be read to its end, there is no such array in it, or it holds other things than real
            numbers.
    """
    try:
        values = _load(path, part, name)
    except DataError:
        raise
    except Exception as error:  # NumPy raises anything on a broken file: of zip, of struct, of its tokenizer ...
        reason = " ".join(str(error).replace(str(path), path.name).split()) or type(error).__name__
        raise DataError(f"{name}: unreadable or truncated image ({reason})") from None
    if values.dtype.kind not in "buif":
        raise DataError(f"{name}: must hold real numbers, got {values.dtype}")
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    return values if values.dtype in (np.uint8, np.uint16) else values.astype(np.float32)


def read_array_image(path: Path, *, part: str = "", colour: bool, name: str) -> Array:
    """Read an array as an image.

    Args:
        path: the file.
        part: name of the array, see `read_array`.
        colour: keep the three channels of `(H, W, 3)`; else they are made grey by their luma.
        name: what to call the file in messages.

    Returns:
        uint8, uint16 or float32, `(H, W)` or `(H, W, 3)`.

    Raises:
        DataError: as `read_array`, or it has another shape.
    """
    pixels = read_array(path, part=part, name=name)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim != 2 and pixels.shape[2:] != (3,):
        raise DataError(f"{name}: array must be (H, W) or (H, W, 3), got {pixels.shape}")
    return pixels if colour or pixels.ndim == 2 else luma(pixels)


def luma(pixels: Array) -> Array:
    """Make `(H, W, 3)` colour grey; whole numbers stay whole."""
    grey: Array = pixels @ np.asarray(LUMA, np.float32)
    return grey if pixels.dtype.kind == "f" else np.rint(grey).astype(pixels.dtype)


def _load(path: Path, part: str, name: str) -> Array:
    stored = np.load(path, allow_pickle=False)
    if isinstance(stored, np.ndarray):
        if part:
            raise DataError(f"{name}: has no parts, since .npy holds one array; leave out '#{part}'")
        return stored
    with stored:
        names = list(stored.files)
        if not part and len(names) == 1:
            part = names[0]
        if part not in names:
            which = f"no array {part!r}{did_you_mean(part, names)}" if part else f"{len(names)} arrays"
            raise DataError(
                f"{name}: {which}; name one as {path.name}#{next(iter(names), 'name')} ({', '.join(names)})"
            )
        values: Array = stored[part]
    return values
