"""Brings maps to another resolution."""

import torch.nn.functional as F
from torch import Tensor

from sightline.errors import ShapeError


def upsample_to(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Bring maps to the size of the images by (bi-, tri-)linear interpolation.

    Args:
        maps: `(N, C, *s)` with one, two or three spatial axes.
        size: spatial size wanted.

    Returns:
        `(N, C, *size)`, on the graph.
    """
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}.get(len(size))
    if mode is None or maps.ndim != len(size) + 2:
        raise ShapeError(
            f"maps must have {len(size)} spatial axes, from 1 to 3, to become {size}, got {tuple(maps.shape)}"
        )
    return F.interpolate(maps, size=size, mode=mode, align_corners=False)


def upsample_to_largest(maps: list[Tensor]) -> list[Tensor]:
    """Bring maps `(N, C, *s)` to the largest size that one of them has along each axis."""
    if len(maps) == 1:
        return maps
    sizes = [tuple(map_.shape[2:]) for map_ in maps]
    largest = tuple(max(sides) for sides in zip(*sizes, strict=True))
    return [upsample_to(map_, largest) for map_ in maps]
