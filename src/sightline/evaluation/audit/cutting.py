"""Images whose surroundings are exchanged: what lies in a region stays, what lies outside becomes something else.

A hard cut would be a cue of its own. So what replaces the outside comes in over a seam: it begins at the edge of the
region and grows over a few pixels until nothing of the old is left. Every pixel of the region stays as it was.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from torch import Tensor

SEAM = 0.03
"""Width over which surroundings come in where nothing else is asked for, a share of the shortest side."""
_CELLS = {1: 64, 2: 32, 3: 16}  # along a side, in which what is smooth is worked out
_POOL: dict[int, Any] = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def soft_regions(regions: Tensor, *, seam: float) -> Tensor:
    """Let regions end softly, on their outside.

    Args:
        regions: 0 outside, `(N, *S)`.
        seam: width over which they end, a share of the shortest side.

    Returns:
        1 in the region, falling with the distance from it to 0 at the end of the seam, `(N, *S)`; 0 throughout where
        the region is empty.
    """
    width = max(1.0, seam * min(regions.shape[1:])) + 1
    soft = [np.clip(1 - _distance(region > 0) / width, 0, 1) for region in regions.numpy()]
    return torch.from_numpy(np.stack(soft).astype(np.float32))


def replace_outside(images: Tensor, others: Tensor, soft: Tensor) -> Tensor:
    """Put other images around regions: `soft * images + (1 - soft) * others`.

    Args:
        images: `(N, C, *S)`.
        others: `(N, C, *S)`.
        soft: from `soft_regions`, `(N, *S)`.
    """
    return torch.lerp(others, images, soft[:, None])


def continued(images: Tensor, seen: Tensor, *, spread: float = 0.06) -> Tensor:
    """Go on smoothly from what is seen: its low-pass, which knows nothing of the rest.

    Normalised convolution: what is seen is blurred, and divided by the blur of where it is. Where nothing near is
    seen, something further off counts.

    Args:
        images: `(N, C, *S)`.
        seen: 1 where the image counts, 0 where not, `(N, *S)`.
        spread: standard deviation of the blur, a share of the side.

    Returns:
        `(N, C, *S)`; the mean of the image where nothing is seen.
    """
    axes = images.ndim - 2
    size = [min(side, _CELLS[axes]) for side in images.shape[2:]]
    weight = seen[:, None].to(images)
    counted = seen.clone()
    counted[seen.flatten(1).sum(1) == 0] = 1.0
    fallback = _means(images, counted)
    amount, share = _POOL[axes](images * weight, size), _POOL[axes](weight, size)
    top, bottom = 1e-12 * fallback.double(), torch.full_like(share, 1e-12, dtype=torch.float64)
    for wider, counts in ((1, 1.0), (3, 1e-3), (9, 1e-6)):
        sigma = [0, 0, *(wider * spread * side for side in size)]
        top = top + counts * _blurred(amount, sigma)
        bottom = bottom + counts * _blurred(share, sigma)
    return F.interpolate(top / bottom, size=images.shape[2:], mode=_LINEAR[axes], align_corners=False).to(images)


def mean_outside(images: Tensor, outside: Tensor) -> Tensor:
    """Return images of one brightness a channel, that of what lies outside, `(N, C, *S)`; `outside` is `(N, *S)`."""
    return _means(images, outside).expand_as(images)


def shuffled_outside(image: Tensor, outside: Tensor, generator: np.random.Generator) -> Tensor:
    """Return an image, `(C, *S)`, whose pixels outside, `(*S)`, were put in random order, the channels together."""
    flat = image.flatten(1).clone()
    places = torch.from_numpy(np.flatnonzero(outside.numpy().ravel() > 0))
    flat[:, places] = flat[:, places[torch.from_numpy(generator.permutation(len(places)))]]
    return flat.view_as(image)


def _means(images: Tensor, weights: Tensor) -> Tensor:
    """Weighted means of the channels, `(N, C, 1, ...)`; 0 where nothing has weight."""
    counted = weights[:, None].to(images).flatten(2)
    means = (images.flatten(2) * counted).sum(2) / counted.sum(2).clamp(min=1e-9)
    return means.view(*images.shape[:2], *(1 for _ in images.shape[2:]))


def _distance(region: NDArray[np.bool_]) -> NDArray[np.float64]:
    if not region.any():
        return np.full(region.shape, np.inf)
    distance: NDArray[np.float64] = distance_transform_edt(~region)
    return distance


def _blurred(values: Tensor, sigma: list[float]) -> Tensor:
    return torch.from_numpy(gaussian_filter(values.double().numpy(), sigma, mode="constant", truncate=3.0))
