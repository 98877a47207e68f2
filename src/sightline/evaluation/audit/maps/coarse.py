"""Maps on a coarse grid: where a method sees something, without the grain that each method has of its own."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_POOL: dict[int, Callable[[Tensor, Any], Tensor]] = {
    1: F.adaptive_avg_pool1d,
    2: F.adaptive_avg_pool2d,
    3: F.adaptive_avg_pool3d,
}


def pooled(maps: Tensor, cells: int) -> Tensor:
    """Average maps within cells.

    Args:
        maps: `(N, *S)` with one, two or three axes of space.
        cells: along each axis; an axis of fewer pixels keeps them.

    Returns:
        `(N, *G)`.
    """
    grid = [min(cells, side) for side in maps.shape[1:]]
    return _POOL[maps.ndim - 1](maps[:, None], grid)[:, 0]


def spread_out(grid: Tensor, size: tuple[int, ...]) -> Tensor:
    """Give each pixel the value of its cell, `(N, *G)` to `(N, *S)`."""
    return F.interpolate(grid[:, None], size=size, mode="nearest")[:, 0]


def cells_of(axes: int) -> int:
    """Cells along each axis that audits compare maps on: 14 in images, 8 in volumes.

    14 is what the last features of common networks have of an image of 224 pixels before their last halving, so that
    Grad-CAM is not compared at more places than it has by far; 8 keeps the grid of a volume, 512 places, near that.
    """
    return 8 if axes == 3 else 14


def densities(maps: Tensor, cells: int) -> Tensor:
    """Absolute maps, averaged within cells, of sum 1 each, `(N, *G)` float64; NaN where a map is zero or not finite."""
    grid = pooled(maps.abs().double(), cells)
    total = grid.flatten(1).sum(1)
    known = (total > 0) & total.isfinite()
    return grid / torch.where(known, total, torch.nan).view(-1, *(1,) * (grid.ndim - 1))


def highest_overlap(first: Tensor, second: Tensor, *, share: float = 0.1) -> Tensor:
    r"""Overlap of the cells where two maps are highest, over their union.

    $$\sum_i \min(a_i, b_i) \,/\, \sum_i \max(a_i, b_i)$$

    with $a_i$ 1 for the highest cells, `share` of them all, 0 for the others, and in between where several equal ones
    are drawn for. Two maps that have nothing to do with each other score about q / (2 - q) with q the share.

    Args:
        first: `(N, *G)`.
        second: of the same shape.
        share: of the cells, over 0 to 1.

    Returns:
        `(N,)` in [0, 1]; NaN where a map holds NaN.
    """
    a, b = (_highest(maps.flatten(1), share) for maps in (first, second))
    return torch.minimum(a, b).sum(1) / torch.maximum(a, b).sum(1)


def _highest(rows: Tensor, share: float) -> Tensor:
    count = max(1, round(share * rows.shape[1]))
    limit = rows.sort(1, descending=True).values[:, count - 1 : count]
    above, level = rows > limit, rows == limit
    drawn = (count - above.sum(1, keepdim=True)) / level.sum(1, keepdim=True)
    members = above.to(rows.dtype) + drawn * level
    return torch.where(rows.isnan().any(1, keepdim=True), torch.nan, members)
