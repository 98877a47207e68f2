"""Regions made of two: the boxes of findings cut to the lungs."""

import torch
from torch import Tensor

from sightline.errors import ShapeError


def intersect_regions(regions: Tensor, within: Tensor) -> Tensor:
    """Cut regions to what lies within another one, as boxes of findings to the lungs.

    Args:
        regions: `(N, K, *S)` in [0, 1], NaN throughout a map that is unknown.
        within: `(N, 1 or K, *S)` in [0, 1], NaN throughout a map that is unknown, which cuts nothing.

    Returns:
        The lesser of the two at each pixel, shaped as `regions`; unknown where `regions` are.

    Raises:
        ShapeError: the two do not fit.

    Reference:
        Bassi et al. 2024, doi:10.1038/s41467-023-44371-z, appendix B, who make targets for HAM so.
    """
    one_for_all = (*regions.shape[:1], 1, *regions.shape[2:])
    if tuple(within.shape) not in (tuple(regions.shape), one_for_all):
        raise ShapeError(f"within must be {one_for_all} or {tuple(regions.shape)}, got {tuple(within.shape)}")
    return torch.minimum(regions, within.to(regions).nan_to_num(nan=1.0))  # a NaN of `regions` stays
