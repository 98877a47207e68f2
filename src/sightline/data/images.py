"""Pixels from files, and the plain functions that prepare them."""

import struct
import zlib
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from sightline.errors import DataError, DataNotFoundError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".npy"})
_LEVELS = 1 << 16
# PIL raises any of these on a broken file
_BROKEN = (OSError, ValueError, EOFError, SyntaxError, struct.error, zlib.error, Image.DecompressionBombError)


def read_pixels(path: Path, *, colour: bool = False, name: str = "") -> Array:
    """Read the pixels of an image file as they are stored.

    PNG, JPEG, TIFF and BMP with 8 or 16 bit grey, float grey or 8-bit colour (16-bit colour is read as 8), and `.npy`
    arrays `(H, W)` or `(H, W, 3)`. Transparency is left out; colour is made grey by its luma (ITU-R 601).

    Args:
        path: the file.
        colour: keep the three channels of a colour image.
        name: what to call the file in messages; by default its own name.

    Returns:
        uint8, uint16 or float32 pixels, `(H, W)`, or `(H, W, 3)` of a colour image if `colour`.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it cannot be read to its end, or has pixels that are NaN or infinite.
    """
    name = name or path.name
    if not path.is_file():
        raise DataNotFoundError(f"{name}: no such image file")
    try:
        pixels = _read_array(path, colour) if path.suffix.lower() == ".npy" else _read_picture(path, colour)
    except _BROKEN as error:
        raise DataError(f"{name}: unreadable or truncated image ({_reason(error, path)})") from None
    if pixels.size == 0:
        raise DataError(f"{name}: image without pixels, {pixels.shape}")
    if pixels.dtype == np.float32 and (bad := int((~np.isfinite(pixels)).sum())):
        raise DataError(f"{name}: {bad} of {pixels.size} pixels are NaN or infinite")
    return pixels


def _read_picture(path: Path, colour: bool) -> Array:
    with Image.open(path) as image:
        if image.mode == "F" or image.mode.startswith("I"):
            pixels: Array = np.asarray(image)
            whole = image.mode != "F" and pixels.min() >= 0 and pixels.max() < _LEVELS
            return pixels.astype(np.uint16 if whole else np.float32)
        if image.mode in ("1", "L", "LA", "La"):
            return np.asarray(image.convert("L"))
        rgb = image.convert("RGB")  # also palettes
        return np.asarray(rgb if colour else rgb.convert("L"))


def _read_array(path: Path, colour: bool) -> Array:
    pixels: Array = np.load(path, allow_pickle=False)
    if not isinstance(pixels, np.ndarray) or pixels.dtype.kind not in "buif":
        raise ValueError("not an array of real numbers")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim != 2 and pixels.shape[2:] != (3,):
        raise ValueError(f"array must be (H, W) or (H, W, 3), got {pixels.shape}")
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype not in (np.uint8, np.uint16):
        pixels = pixels.astype(np.float32)
    if pixels.ndim == 3 and not colour:
        grey = pixels @ np.asarray([0.299, 0.587, 0.114], np.float32)
        pixels = grey if pixels.dtype == np.float32 else np.rint(grey).astype(pixels.dtype)
    return pixels


def _reason(error: BaseException, path: Path) -> str:
    """Return the error's own words on one line, without the path of this machine."""
    return " ".join(str(error).replace(str(path), path.name).split()) or type(error).__name__


def to_unit(pixels: Array, *, value_range: tuple[float, float] | None = None, name: str = "image") -> Array:
    """Scale pixels to [0, 1] float32.

    Args:
        pixels: as read.
        value_range: values that become 0 and 1, beyond which pixels are clipped; by default 0 and the largest value of
            uint8 or uint16, while float pixels must lie in [0, 1] already.
        name: what to call the image in messages.

    Raises:
        DataError: float pixels lie outside [0, 1] and no range was given.
    """
    if value_range is None and pixels.dtype != np.float32:
        value_range = (0.0, float(np.iinfo(pixels.dtype).max))
    if value_range is None:
        low, high = float(pixels.min()), float(pixels.max())
        if low < 0 or high > 1:
            raise DataError(f"{name}: pixels from {low:g} to {high:g}; say their value_range in cohort.yaml")
        return pixels
    low, high = value_range
    scaled: Array = np.clip((pixels.astype(np.float32) - low) / (high - low), 0, 1)
    return scaled


def equalise(pixels: Array) -> Array:
    r"""Equalise the histogram of a grey image on 65,536 levels.

    $$v \mapsto \frac{\mathrm{cdf}(v) - \mathrm{cdf}_{\min}}{N - \mathrm{cdf}_{\min}}$$

    with $N$ pixels and $\mathrm{cdf}_{\min}$ the number of the darkest ones. An image of one value stays as it is.

    Args:
        pixels: `(H, W)` float in [0, 1].

    Returns:
        `(H, W)` float32 in [0, 1].

    Reference:
        Gonzalez and Woods, Digital Image Processing, 3.3; used by the ISNet (Bassi et al. 2024, 4.10).
    """
    levels = np.rint(pixels * (_LEVELS - 1)).astype(np.int64)
    cdf = np.cumsum(np.bincount(levels.ravel(), minlength=_LEVELS))
    darkest = cdf[levels.min()]
    if darkest == levels.size:
        return pixels.astype(np.float32)
    table = (np.maximum(cdf - darkest, 0) / (levels.size - darkest)).astype(np.float32)
    equalised: Array = table[levels]
    return equalised


def pad_to_square(pixels: Array) -> Array:
    """Put `(H, W)` or `(H, W, C)` pixels in the middle of a black square."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.zeros((side, side, *pixels.shape[2:]), pixels.dtype)
    square[top : top + height, left : left + width] = pixels
    return square


def resize(pixels: Array, size: int) -> Array:
    """Resize to `size` x `size`, bilinear, averaging over what is left out where the image shrinks.

    Args:
        pixels: `(H, W)` or `(H, W, C)` float in [0, 1].
        size: side in pixels.
    """
    if pixels.shape[:2] == (size, size):
        return pixels
    if pixels.ndim == 3:
        return np.stack([resize(channel, size) for channel in np.moveaxis(pixels, 2, 0)], axis=2)
    image = Image.fromarray(np.ascontiguousarray(pixels, np.float32))
    resized: Array = np.clip(np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)), 0, 1)
    return resized
