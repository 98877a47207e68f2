"""Maps of relevance and the regions that belong to them, side by side."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sightline.errors import ShapeError
from sightline.guidance.sharing import mean_over_processes
from sightline.regions import known, resize_region
from sightline.types import Explanation


def map_weights(allowed: Tensor, regions: Tensor) -> Tensor:
    """Share of each explained map in a mean, `(N, M)`: those known, by their number expected of a random class."""
    expected = mean_over_processes(known(regions).to(allowed.dtype).mean(1).sum() * allowed.shape[1])
    return known(allowed).to(allowed.dtype) / torch.where(expected > 0, expected, 1)


def anywhere(regions: Tensor) -> Tensor:
    """Tell which regions `(N, M, *S)` are known and allow anything at all, `(N, M)` bool; an absent class's do not."""
    return regions.flatten(2).amax(2) > 0  # a NaN is not


def sums_of_relevance(maps: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of absolute relevance inside the regions and in all, each `(N, M)`, of `(N, M, C, *S)` maps."""
    magnitude = maps.abs()
    axes = tuple(range(2, maps.ndim))
    return (magnitude * regions.unsqueeze(2)).sum(axes), magnitude.sum(axes)


def check_classes(regions: Tensor, classes: int) -> None:
    """Check that regions `(N, 1 or K, *S)` are one for all classes or one for each.

    Raises:
        ShapeError: they are not.
    """
    if regions.shape[1] not in (1, classes):
        raise ShapeError(f"regions must be one for all or one for each of {classes} classes, got {regions.shape[1]}")


def common_region(regions: Tensor, classes: int) -> Tensor:
    """Where all classes together may look, `(N, 1, *S)`: wherever any of them may; unknown where that of one is.

    Raises:
        ShapeError: there is neither one for all nor one for each of `classes`.
    """
    check_classes(regions, classes)
    return regions.amax(1, keepdim=True)


def region_at(regions: Tensor, size: Sequence[int]) -> Tensor:
    """Bring regions to another grid.

    Along an axis with fewer places than wanted each new place takes the value of the old one that it lies in, so that a
    binary region stays one; along an axis with more, the mean of the area that it covers.

    Args:
        regions: `(*, *S)` in [0, 1]; a map that is NaN throughout stays so.
        size: places wanted along each of the last axes.

    Returns:
        `(*, *size)`, in [0, 1].
    """
    finer = enlarged(regions, size)
    return finer if tuple(finer.shape[-len(size) :]) == tuple(size) else resize_region(finer, size)


def enlarged(regions: Tensor, size: Sequence[int]) -> Tensor:
    """Give axes of `(*, *S)` with fewer places than `size` so many, by the nearest old place."""
    for axis, new in zip(range(-len(size), 0), size, strict=True):
        old = regions.shape[axis]
        if old < new:
            places = torch.arange(new, device=regions.device)
            regions = regions.index_select(axis, (2 * places + 1) * old // (2 * new))
    return regions


def explained_region(explanation: Explanation, regions: Tensor, *, every: bool) -> Tensor:
    """Return the regions of what was explained, `(N, K, *S)` of every class or else `(N, 1, *S)`.

    Raises:
        ShapeError: there is neither one for all classes nor one for each, or the map belongs to no class.
    """
    classes = explanation.logits.shape[1]
    check_classes(regions, classes)
    if regions.shape[1] == 1 or every:
        return regions
    if explanation.target is None:
        raise ShapeError("regions for each class need a target that explains one class an image, or every class")
    rows = torch.arange(len(regions), device=regions.device)
    return regions[rows, explanation.target].unsqueeze(1)


def aligned_maps(explanation: Explanation, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Bring maps to `(N, M, C, *S)` and the regions that belong to them to `(N, M, *S)`, of one resolution and type.

    Of the regions of all classes only those explained are brought to the size of the maps.
    """
    maps = explanation.attribution
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    every = maps.ndim > regions.ndim
    if not every:
        maps = maps.unsqueeze(1)
    allowed = region_at(explained_region(explanation, regions, every=every), tuple(maps.shape[3:])).to(maps.dtype)
    return maps, allowed.expand(-1, maps.shape[1], *allowed.shape[2:])
