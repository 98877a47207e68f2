"""Pixels of PNG, JPEG, TIFF and BMP files."""

from pathlib import Path

import numpy as np
from PIL import Image

from sightline.data.images import Array
from sightline.errors import DataError

_LEVELS = 1 << 16
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "DIB", "GIF", "WEBP")  # not EPS, for which Pillow runs Ghostscript
_MOST, _MOST_PER_BYTE = 1 << 27, 1 << 16  # pixels that are read; that any of the formats can hold in a byte


def read_picture(path: Path, *, colour: bool, name: str) -> Array:
    """Read a picture with 8 or 16 bit grey, float grey or 8-bit colour; 16-bit colour is read as 8.

    Args:
        path: the file.
        colour: keep the three channels of a colour image.
        name: what to call the file in messages.

    Returns:
        uint8, uint16 or float32 pixels as they are stored, `(H, W)` or `(H, W, 3)`.

    Raises:
        DataError: it cannot be read to its end, has more than 134 million pixels, or is a TIFF of several pages.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _check_single(image, name)
            _check_size(image, path, name)
            return _pixels(image, colour)
    except DataError:
        raise
    except Exception as error:  # PIL raises anything on a broken file: of struct, of zlib, of arithmetic ...
        raise DataError(f"{name}: unreadable or truncated image ({_reason(error, path)})") from None


def picture_size(path: Path, *, name: str) -> tuple[int, int]:
    """Return height and width of a picture without decoding it; errors as `read_picture`."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return image.height, image.width
    except Exception as error:  # PIL raises anything on a broken file: of struct, of zlib, of arithmetic ...
        raise DataError(f"{name}: unreadable or truncated image ({_reason(error, path)})") from None


def _check_single(image: Image.Image, name: str) -> None:
    pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    if pages > 1:
        raise DataError(f"{name}: a TIFF of {pages} pages; save the one to use as a file of its own")


def _check_size(image: Image.Image, path: Path, name: str) -> None:
    """Refuse what a few bytes declare and cannot hold, before memory is taken for it."""
    pixels, size = image.width * image.height, f"{image.width} x {image.height} pixels"
    if pixels > _MOST:
        raise DataError(f"{name}: declares {size}; at most {_MOST} are read, so cut it into smaller images")
    if pixels > _MOST_PER_BYTE * path.stat().st_size:
        raise DataError(f"{name}: unreadable or truncated image (declares {size} in {path.stat().st_size} bytes)")


def _pixels(image: Image.Image, colour: bool) -> Array:
    if image.mode == "F" or image.mode.startswith("I"):
        pixels: Array = np.asarray(image)
        whole = image.mode != "F" and pixels.min() >= 0 and pixels.max() < _LEVELS
        return pixels.astype(np.uint16 if whole else np.float32)
    if image.mode in ("1", "L", "LA", "La"):
        return np.asarray(image.convert("L"))
    rgb = image.convert("RGB")  # also palettes
    return np.asarray(rgb if colour else rgb.convert("L"))


def _reason(error: BaseException, path: Path) -> str:
    """Return the error's own words on one line, without the path of this machine."""
    return " ".join(str(error).replace(str(path), path.name).split()) or type(error).__name__
