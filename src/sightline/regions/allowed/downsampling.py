"""Organ masks on the coarse grid on which a model's attention lies."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sightline.errors import SettingsError, ShapeError
from sightline.regions.allowed.findings_organs import ORGANS

Downsampling = Literal["nearest", "corner", "area", "trilinear"]
Middle = Literal["two-thirds", "half"]


def downsample_masks(
    masks: Tensor, grid: Sequence[int], *, method: Downsampling = "nearest", dilate: bool = False
) -> Tensor:
    """Bring binary masks to a coarse grid, where what is not 0 becomes 1.

    `nearest` takes the voxel in the middle of each cell, `corner` the one nearest to index 0 along each axis, which is
    what torch calls nearest and the authors' code did, half a cell off. `area` is 1 in each cell that holds a voxel of
    the mask, `trilinear` where one of the up to eight voxels around its middle is of the mask.

    Args:
        masks: `(M, D, H, W)`, 0 outside.
        grid: cells along each axis, as `(135, 6, 6)` of a volume of 405 x 420 x 420.
        method: as above.
        dilate: let each mask grow by one cell in every direction, corners included.

    Returns:
        `(M, *grid)` float32 of 0 and 1.

    Raises:
        ShapeError: the masks have not four axes, or the grid three.
        SettingsError: there is no such method.

    Reference:
        Draelos and Carin 2020, arXiv:2011.08891, 12.2 and table 6: `nearest` without dilation was best.
    """
    if method not in get_args(Downsampling):
        raise SettingsError(f"method must be one of {', '.join(get_args(Downsampling))}, got {method!r}")
    size = tuple(grid)
    if masks.ndim != 4 or len(size) != 3 or min(size) < 1:
        raise ShapeError(f"masks must be (M, D, H, W) and the grid three lengths, got {tuple(masks.shape)} and {size}")
    if method in ("nearest", "corner"):
        small = masks
        for axis, (new, old) in enumerate(zip(size, masks.shape[1:], strict=True), 1):
            cells = torch.arange(new, device=masks.device)
            small = small.index_select(axis, (2 * cells + (method == "nearest")) * old // (2 * new))
    elif method == "area":
        small = F.adaptive_max_pool3d((masks != 0).float(), size)
    else:
        small = F.interpolate((masks != 0).float()[None], size, mode="trilinear", align_corners=False)[0]
    binary = (small != 0).float()
    return F.max_pool3d(binary, 3, 1, 1) if dilate else binary


def organ_masks(
    organs: NDArray[np.integer] | Tensor,
    grid: Sequence[int],
    *,
    method: Downsampling = "nearest",
    dilate: bool = False,
    codes: Sequence[int] = (1, 2, 3),
) -> Tensor:
    """Bring a label map of organs to a coarse grid, one mask an organ; see `downsample_masks`.

    Args:
        organs: `(D, H, W)` of whole numbers.
        grid: cells along each axis.
        method: of downsampling.
        dilate: let each mask grow by one cell.
        codes: of the organs in the map, in the order wanted.

    Returns:
        `(O, *grid)` float32 of 0 and 1; the masks may overlap.

    Raises:
        ShapeError: the map or the grid has not three axes.
        SettingsError: there is no such method.
    """
    # a copy in native byte order: torch warns about read-only arrays
    values = organs if isinstance(organs, Tensor) else torch.from_numpy(np.array(organs, np.int32))
    if values.ndim != 3:
        raise ShapeError(f"organs must be (D, H, W), got {tuple(values.shape)}")
    # one organ after the other, for a map may have 70 million voxels
    return torch.cat([downsample_masks((values == code)[None], grid, method=method, dilate=dilate) for code in codes])


def heuristic_masks(grid: Sequence[int], *, middle: Middle = "two-thirds") -> Tensor:
    """Masks of `ORGANS` for a volume whose segmentation failed, by columns alone: halves, and the middle.

    A column belongs to an organ if its middle lies within the organ's share of the width; the middle column of an odd
    number to both lungs.

    Args:
        grid: cells along each axis; the last one goes from the patient's right to the left.
        middle: how much of the width is the mediastinum: `two-thirds` as in the authors' code (columns 1 to 4 of 6), or
            `half` as in the paper.

    Returns:
        `(3, *grid)` float32 of 0 and 1.

    Raises:
        ShapeError: the grid has not three axes.
        SettingsError: there is no such middle.

    Reference:
        Draelos and Carin 2020, arXiv:2011.08891, 12.2.
    """
    if middle not in get_args(Middle):
        raise SettingsError(f"middle must be one of {', '.join(get_args(Middle))}, got {middle!r}")
    if len(grid) != 3 or min(grid) < 1:
        raise ShapeError(f"grid must be three lengths of at least 1, got {tuple(grid)}")
    width = grid[-1]
    place = 2 * torch.arange(width) + 1  # of a column's middle, in halves of a column: exact
    margin = width / 3 if middle == "two-thirds" else width / 2
    columns = {
        "right_lung": place <= width,
        "mediastinum": (place > margin) & (place < 2 * width - margin),
        "left_lung": place >= width,
    }
    return torch.stack([columns[organ] for organ in ORGANS])[:, None, None].float().expand(-1, *grid).contiguous()
