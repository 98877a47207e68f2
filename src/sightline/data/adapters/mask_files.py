"""Masks that a data set has in no image file of their own, written as PNG."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightline.data.readers.pixels import read_pixels
from sightline.errors import DataError
from sightline.runs import atomic_path

Mask = NDArray[np.bool_]


def write_mask(path: Path, make: Callable[[], Mask]) -> Path:
    """Write a mask, 255 inside and 0 outside, and return its path; one that is there already is kept."""
    if not path.is_file():
        pixels = np.where(make(), np.uint8(255), np.uint8(0))
        with atomic_path(path) as temporary:
            Image.fromarray(pixels).save(temporary, format="PNG")
    return path


def united(paths: Sequence[Path], *, title: str) -> Mask:
    """Read masks, in which all but 0 is inside, and unite them.

    Raises:
        DataError: they differ in size, or one cannot be read.
    """
    masks = [read_pixels(path, name=f"{title}: {path.name}") > 0 for path in paths]
    for path, mask in zip(paths, masks, strict=True):
        if mask.shape != masks[0].shape:
            sizes = "{} x {} pixels, {} has {} x {}".format(*mask.shape[::-1], paths[0].name, *masks[0].shape[::-1])
            raise DataError(f"{title}: mask {path.name} of {path.parent.name} has {sizes}; they must be of one size")
    union: Mask = np.logical_or.reduce(masks)
    return union
