"""Masks from outlines.

Coordinates are those of the image plane: pixel (0, 0) covers x and y from 0 to 1, and its centre is at 0.5. A pixel is
inside if its centre is.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError, ShapeError

Points = Sequence[Sequence[float]] | NDArray[np.floating]


def mask_from_polygon(rings: Iterable[Points], size: tuple[int, int]) -> NDArray[np.bool_]:
    r"""Fill one outline with its holes by the even-odd rule.

    A pixel is inside if the edges cross the row through its centre an odd number of times to the left of it. An edge
    from $(x_0, y_0)$ to $(x_1, y_1)$ crosses the row at $y$ where $\min(y_0, y_1) \le y < \max(y_0, y_1)$, so that
    polygons with an edge in common neither overlap nor leave a gap.

    Args:
        rings: points (x, y) of the outline and of each hole, pixels, the last joined to the first. Order and
            direction do not matter.
        size: height and width of the image, pixels; what reaches beyond is cut off.

    Returns:
        True inside, `(H, W)`.

    Raises:
        ShapeError: a ring has fewer than three points, or they are not pairs.
        DataError: a coordinate is not finite.
    """
    height, width = size
    crossings = np.zeros((height, width + 1), bool)  # whether the number of crossings left of each pixel is odd
    for ring in rings:
        points = _checked(ring)
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            first, last = np.clip(np.ceil(np.asarray([min(y0, y1), max(y0, y1)]) - 0.5), 0, height).astype(int)
            rows = np.arange(first, last)
            if len(rows):
                x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
                columns = np.clip(np.ceil(x - 0.5), 0, width).astype(int)
                crossings[rows, columns] ^= True
    inside: NDArray[np.bool_] = np.logical_xor.accumulate(crossings, axis=1)[:, :width]
    return inside


def mask_from_polygons(polygons: Iterable[Points], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Unite outlines without holes; arguments and errors as `mask_from_polygon`."""
    mask = np.zeros(size, bool)
    for points in polygons:
        mask |= mask_from_polygon([points], size)
    return mask


def ellipse(centre: tuple[float, float], radii: tuple[float, float], angle: float = 0.0) -> NDArray[np.float64]:
    """Return an ellipse as 360 points.

    Args:
        centre: x and y, pixels.
        radii: half of each axis, pixels.
        angle: of the first axis, radians from the x axis towards the y axis.

    Returns:
        `(360, 2)`, x and y.
    """
    t = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    x, y = radii[0] * np.cos(t), radii[1] * np.sin(t)
    x, y = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    return np.stack([centre[0] + x, centre[1] + y], axis=1)


def _checked(ring: Points) -> NDArray[np.float64]:
    try:
        points = np.asarray(ring, np.float64)
    except (TypeError, ValueError):
        raise ShapeError("an outline must be pairs of numbers (x, y)") from None
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise ShapeError(f"an outline must be three or more points (x, y), got {points.shape}")
    if not np.isfinite(points).all():
        raise DataError(f"an outline must have finite coordinates, got {int((~np.isfinite(points)).sum())} others")
    return points
