"""The plain functions that prepare pixels; `readers` reads them from files."""

from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from sightline.errors import DataError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
ARRAYS = frozenset({".npy", ".npz"})
DICOM = frozenset({".dcm", ".dicom"})
NIFTI = frozenset({".nii", ".nii.gz"})
IMAGE_SUFFIXES = PICTURES | ARRAYS | DICOM | NIFTI
_LEVELS = 1 << 16


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
