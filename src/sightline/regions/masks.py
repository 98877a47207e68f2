"""Regions from masks: where a model may look, as a map in [0, 1] that is NaN throughout where nobody knows."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sightline.errors import DataError, ShapeError


def region_from_mask(mask: NDArray[np.generic] | Tensor) -> Tensor:
    """Read a binary mask as the region where a model may look.

    Allowed is a pixel above half of what its type can hold (over 127 of 255, over 32767 of 65535), or above 0 in a mask
    of zeros and ones. So 127, the "ignore" of some 8 bit masks, is not allowed.

    Args:
        mask: `(H, W)` or `(D, H, W)`, array or tensor of type bool, uint8 or uint16.

    Returns:
        1 where allowed and 0 elsewhere, `(1, *S)` float32, on the device of `mask`.

    Raises:
        ShapeError: `mask` has neither two nor three axes.
        DataError: it is of another type.
    """
    if mask.ndim not in (2, 3):
        raise ShapeError(f"mask must be (H, W) or (D, H, W), got {tuple(mask.shape)}")
    # a copy in native byte order: torch warns about read-only arrays, which is what PIL gives
    values = mask if isinstance(mask, Tensor) else torch.from_numpy(np.array(mask, mask.dtype.newbyteorder("=")))
    if values.dtype not in (torch.bool, torch.uint8, torch.uint16):
        raise DataError(f"mask must be bool, uint8 or uint16, got {mask.dtype}; convert it, 0 where not allowed")
    wide = values.to(torch.int32)  # torch compares no uint16
    half = 0 if values.dtype is torch.bool or wide.max() <= 1 else torch.iinfo(values.dtype).max // 2
    return (wide > half).to(torch.float32).unsqueeze(0)


def unknown_region(size: Sequence[int]) -> Tensor:
    """Return the region of an image of which nobody knows where to look: NaN, `(1, *size)` float32."""
    return torch.full((1, *size), torch.nan)


def known(regions: Tensor) -> Tensor:
    """Tell which maps are known, so that the others can be given weight 0.

    Args:
        regions: `(N, 1 or K, *S)`, NaN throughout a map that is unknown.

    Returns:
        True where a map holds no NaN, `(N, 1 or K)` bool.

    Raises:
        ShapeError: `regions` has fewer than three axes.
    """
    if regions.dim() < 3:
        raise ShapeError(f"regions must be (N, 1 or K, *S), got {tuple(regions.shape)}")
    return ~regions.flatten(2).isnan().any(2)


def resize_region(regions: Tensor, size: Sequence[int]) -> Tensor:
    r"""Resize regions so that each new pixel holds the mean of the area it covers.

    Along each axis $y = Wx$, with $w_{ij}$ the share of new pixel $i$ that lies on old pixel $j$; so the mean of a map
    does not change, whatever the two sizes, and what covers half a pixel counts a half.

    Args:
        regions: `(*, *S)` float, in [0, 1]; a map that is NaN throughout stays so.
        size: the new `S`, pixels.

    Returns:
        `(*, *size)`, in [0, 1], differentiable in `regions`.

    Raises:
        ShapeError: `size` has more axes than `regions` or a length below 1.
    """
    if len(size) > regions.dim() or min(size, default=1) < 1:
        raise ShapeError(f"size must be at most {regions.dim()} lengths of at least 1, got {tuple(size)}")
    for axis, length in zip(range(-len(size), 0), size, strict=True):
        cover = _coverage(regions.shape[axis], length).to(regions)  # (new, old)
        regions = (regions.movedim(axis, -1) @ cover.T).movedim(-1, axis)
    return regions.clamp(0, 1)  # rounding


def grow_region(regions: Tensor, margin: float, size: Sequence[int] | None = None) -> Tensor:
    """Let regions grow in every direction by the same length.

    Args:
        regions: `(N, M, *S)` in [0, 1]; a map that is NaN throughout stays so.
        margin: share of the longest side of the image.
        size: of the image, pixels, if the places of the regions are longer along one axis than along another; None for
            `S`.

    Returns:
        Shaped as `regions`.
    """
    sides = regions.shape[2:] if size is None else size
    reaches = [round(margin * max(sides) * regions.shape[axis] / side) for axis, side in enumerate(sides, 2)]
    if not any(reaches):
        return regions
    for axis, reach in enumerate(reaches, 2):
        lines = regions.movedim(axis, -1)
        flat = lines.reshape(1, -1, lines.shape[-1])
        flat = F.max_pool1d(flat.nan_to_num(nan=-1.0), 2 * reach + 1, 1, reach)
        regions = flat.reshape(lines.shape).movedim(-1, axis)
    return regions.masked_fill(regions < 0, torch.nan)


def _coverage(old: int, new: int) -> Tensor:
    """Share of each of `new` equal intervals that lies on each of `old` equal intervals, `(new, old)` float64."""
    left, right = torch.arange(new) * old, torch.arange(1, new + 1) * old  # in units of 1 / (old * new), so exact
    start, end = torch.arange(old) * new, torch.arange(1, old + 1) * new
    overlap = torch.minimum(right[:, None], end) - torch.maximum(left[:, None], start)
    return overlap.clamp(min=0).to(torch.float64) / old
