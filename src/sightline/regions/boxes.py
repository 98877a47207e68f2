"""Masks from boxes.

Coordinates are those of the image plane: pixel (0, 0) covers x and y from 0 to 1, and its centre is at 0.5.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError, ShapeError

Boxes = Iterable[Sequence[float]]


def mask_from_boxes(boxes: Boxes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels whose centre lies in a box, its left and upper edge counting as inside.

    Args:
        boxes: left, top, width and height of each, pixels; what reaches beyond the image is cut off.
        size: height and width of the image, pixels.

    Returns:
        True inside any box, `(H, W)`.

    Raises:
        ShapeError: a box has other than four numbers.
        DataError: a number is not finite, or a width or height is negative.
    """
    mask = np.zeros(size, bool)
    for left, top, width, height in map(_checked, boxes):
        down, along = _centres(top, height, size[0]), _centres(left, width, size[1])
        mask |= down[:, None] & along
    return mask


def coverage_of_boxes(boxes: Boxes, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return how much of each pixel is covered by the box that covers most of it.

    Where boxes overlap within a pixel this is less than the area of their union, and exact elsewhere. Arguments and
    errors as `mask_from_boxes`.

    Returns:
        Share of each pixel, `(H, W)` float32 in [0, 1].
    """
    share = np.zeros(size)
    for left, top, width, height in map(_checked, boxes):
        down, along = _overlap(top, height, size[0]), _overlap(left, width, size[1])
        np.maximum(share, down[:, None] * along, out=share)
    return share.astype(np.float32)


def _checked(box: Sequence[float]) -> tuple[float, float, float, float]:
    if len(box) != 4:
        raise ShapeError(f"a box must be (left, top, width, height), got {len(box)} numbers")
    left, top, width, height = (float(number) for number in box)
    if not np.isfinite([left, top, width, height]).all() or width < 0 or height < 0:
        raise DataError(f"a box must have finite numbers, width and height of 0 or more, got {tuple(box)}")
    return left, top, width, height


def _centres(start: float, length: float, pixels: int) -> NDArray[np.bool_]:
    centres = np.arange(pixels) + 0.5
    return (centres >= start) & (centres < start + length)


def _overlap(start: float, length: float, pixels: int) -> NDArray[np.float64]:
    edges = np.arange(pixels)
    covered: NDArray[np.float64] = np.clip(np.minimum(edges + 1, start + length) - np.maximum(edges, start), 0, 1)
    return covered
