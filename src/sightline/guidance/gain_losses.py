"""What GAIN does with a map: scale it, make it a soft mask, and compare it with a region."""

import torch
from torch import Tensor

from sightline.errors import ShapeError
from sightline.guidance.sharing import mean_over_processes
from sightline.regions import known


def unit_range(maps: Tensor) -> Tensor:
    r"""Scale each map to [0, 1], $(A - \min A) / (\max A - \min A)$; an even map becomes 0.

    Args:
        maps: `(N, M, *S)`.

    Returns:
        Shaped as `maps`, on the graph, its least and greatest value included.
    """
    axes = tuple(range(2, maps.ndim))
    least = maps.amin(axes, keepdim=True)
    spread = maps.amax(axes, keepdim=True) - least
    return (maps - least) / torch.where(spread > 0, spread, 1)


def soft_mask(maps: Tensor, *, threshold: float = 0.5, slope: float = 10.0) -> Tensor:
    r"""Turn a map into what is taken out of an image, $T(A) = \sigma(\omega (A - \sigma_0))$.

    Args:
        maps: $A$, any shape.
        threshold: $\sigma_0$, at which half is taken out.
        slope: $\omega$.

    Returns:
        Shaped as `maps`, in (0, 1).

    Reference:
        Li et al. 2018, arXiv:1802.10171, eq. 4.
    """
    return torch.sigmoid(slope * (maps - threshold))


def squared_error(maps: Tensor, regions: Tensor) -> Tensor:
    """Mean squared distance of maps to regions, over the pixels of the maps whose region is known.

    Args:
        maps: `(N, 1, *S)`.
        regions: `(N, 1, *S)` in [0, 1], NaN throughout a map that is unknown.

    Returns:
        Scalar; 0 where no region is known.

    Reference:
        Li et al. 2018, arXiv:1802.10171 (external supervision of the extended GAIN).
    """
    valid = known(regions)
    errors = ((maps - regions.nan_to_num().to(maps.dtype)) ** 2).flatten(2).mean(2)
    count = mean_over_processes(valid.sum())
    return torch.where(valid, errors, 0).sum() / torch.where(count > 0, count, 1)


def regions_of(regions: Tensor, rows: Tensor, classes: Tensor, *, num_classes: int) -> Tensor:
    """Pick the regions of pairs of an image and a class.

    Args:
        regions: `(N, 1 or K, *S)`.
        rows: index of the image of each pair, `(P,)`.
        classes: index of its class, `(P,)`.
        num_classes: K.

    Returns:
        `(P, 1, *S)`.

    Raises:
        ShapeError: the regions are neither one for all classes nor one for each.
    """
    if regions.shape[1] not in (1, num_classes):
        raise ShapeError(
            f"regions must be one for all or one for each of {num_classes} classes, got {regions.shape[1]}"
        )
    if regions.shape[1] == 1:
        return regions[rows]
    return regions[rows, classes].unsqueeze(1)
