"""Maps of relevance and the regions that belong to them, side by side."""

import torch
from torch import Tensor

from sightline.errors import ShapeError
from sightline.regions import known, resize_region
from sightline.types import Explanation


def map_weights(allowed: Tensor, regions: Tensor) -> Tensor:
    """Share of each explained map in a mean, `(N, M)`: those known, by their number expected of a random class."""
    expected = known(regions).to(allowed.dtype).mean(1).sum() * allowed.shape[1]
    return known(allowed).to(allowed.dtype) / expected.clamp(min=1 / regions.shape[1])


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


def aligned_maps(explanation: Explanation, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Bring maps to `(N, M, C, *S)` and the regions that belong to them to `(N, M, *S)`, of one resolution and type."""
    maps, target = explanation.attribution, explanation.target
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    spatial = regions.ndim - 2
    if maps.ndim == spatial + 2:
        maps = maps.unsqueeze(1)
    if regions.shape[2:] != maps.shape[3:]:
        regions = resize_region(regions, tuple(maps.shape[3:]))
    regions = regions.to(maps.dtype)
    classes = explanation.logits.shape[1]
    check_classes(regions, classes)
    if regions.shape[1] == 1 or maps.shape[1] == classes > 1:
        return maps, regions.expand(-1, maps.shape[1], *regions.shape[2:])
    if target is None:
        raise ShapeError("regions for each class need a target that explains one class an image, or every class")
    return maps, regions[torch.arange(len(regions), device=regions.device), target].unsqueeze(1)
