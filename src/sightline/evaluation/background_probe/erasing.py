"""Images without their region, without what surrounds it, or without all but their border.

What is hidden takes the mean of what is seen, and what is seen is standardised by itself, so that nothing of the hidden
pixels is left. The outline of what is hidden stays, and an outline of lungs may tell a class by itself: a convex hull
or a box around the region tells less than the region, and `coverage` is what there is to learn from the outline alone.
"""

from typing import Literal

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial import ConvexHull, QhullError

from sightline.data.images import Array

Shape = Literal["outline", "hull", "box"]


def hidden_area(region: Array, *, shape: Shape, margin: float) -> Array:
    """Return what is hidden to hide a region.

    Args:
        region: where it is, `(H, W)` bool.
        shape: the region as it is, its convex hull, or the box around it.
        margin: how far it grows in all directions, a share of the longer side.

    Returns:
        `(H, W)` bool.
    """
    if not region.any():
        return region
    area = region if shape == "outline" else _hull(region) if shape == "hull" else _box(region)
    grown: Array = distance_transform_edt(~area) <= margin * max(region.shape)
    return grown


def frame(side: int, width: float) -> Array:
    """Return the outer frame of a square, `(side, side)` bool; `width` is a share of the side, at least one pixel."""
    inner = np.ones((side, side), bool)
    pixels = max(1, round(width * side))
    inner[pixels : side - pixels, pixels : side - pixels] = False
    return inner


def seen_only(image: Array, seen: Array, size: int) -> Array:
    """Make an image small of which only a part is seen.

    Args:
        image: `(H, W)`, both multiples of `size`.
        seen: which pixels are seen, `(H, W)` bool.
        size: side of what is returned.

    Returns:
        `(size, size)` float32: means of the seen pixels, standardised by the mean and spread of all that are seen; 0
        where none is.
    """
    share = coverage(seen, size)
    values = image[seen].astype(np.float64)
    mean, spread = (values.mean(), values.std()) if values.size else (0.0, 0.0)
    total = _blocks(np.where(seen, image - mean, 0.0), size)
    small: Array = total / np.where(share > 0, share, 1) / (spread if spread > 0 else 1.0)
    return small.astype(np.float32)


def coverage(seen: Array, size: int) -> Array:
    """Return the share of each cell of `(size, size)` that is seen."""
    return _blocks(seen.astype(np.float64), size)


def _blocks(values: Array, size: int) -> Array:
    height, width = values.shape
    means: Array = values.reshape(size, height // size, size, width // size).mean(axis=(1, 3))
    return means


def _box(region: Array) -> Array:
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    area = np.zeros_like(region)
    area[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return area


def _hull(region: Array) -> Array:
    """Pixels whose centre lies in the smallest convex polygon around the centres of the region."""
    try:
        sides = ConvexHull(np.argwhere(region)).equations  # (sides, 3): normal and offset
    except QhullError:  # all on one line
        return _box(region)
    grid = np.indices(region.shape).reshape(2, -1)  # (2, H * W)
    inside: Array = (sides[:, :2] @ grid + sides[:, 2:] <= 1e-9).all(axis=0)
    return inside.reshape(region.shape)
