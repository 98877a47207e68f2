"""How much of an explanation a reader must take in, and whether it adds up.

A measure takes arrays or tensors and answers in kind. It is NaN where the explanation is zero throughout or not finite.
All entries count, each channel of a pixel for itself; sum the channels first to count pixels.
"""

import torch
from torch import Tensor

from sightline.errors import ShapeError
from sightline.metrics.maps import Maps, as_tensor, in_kind, share


def sparseness(attribution: Maps) -> Maps:
    r"""Gini index of the absolute relevance: 0 for an even map, towards 1 when few entries hold all.

    $$G = 1 - 2 \sum_{k=1}^d \frac{v_{(k)}}{\|v\|_1} \, \frac{d - k + 1/2}{d}$$
    where $v_{(1)} \le \dots \le v_{(d)}$ are the absolute entries in order.

    Args:
        attribution: signed explanations, `(N, ...)`.

    Returns:
        `(N,)` from 0 to 1 - 1/d; NaN where the explanation is zero or not finite.

    Raises:
        ShapeError: there is nothing beside the axis of the images.

    Reference:
        Chalasani et al. 2020, arXiv:1810.06583 (sparseness of explanations by the Gini index); Hurley & Rickard 2009,
        doi:10.1109/TIT.2009.2027527.
    """
    ordered = _sizes(attribution).sort(1).values
    d = ordered.shape[1]
    weights = (d - torch.arange(1, d + 1, device=ordered.device, dtype=ordered.dtype) + 0.5) / d
    return in_kind(1 - 2 * share((ordered * weights).sum(1), ordered.sum(1)), attribution)


def complexity(attribution: Maps) -> Maps:
    r"""Entropy of the absolute relevance: 0 when one entry holds all, ln d for an even map.

    $$\mu = -\sum_i p_i \ln p_i, \qquad p_i = |R_i| \,/\, \sum_j |R_j|$$

    Args:
        attribution: signed explanations, `(N, ...)`.

    Returns:
        `(N,)` from 0 to ln d, in nats; NaN where the explanation is zero or not finite.

    Raises:
        ShapeError: there is nothing beside the axis of the images.

    Reference:
        Bhatt et al. 2020, arXiv:2005.00631 (complexity: entropy of the fractional contributions).
    """
    sizes = _sizes(attribution)
    return in_kind(torch.special.entr(share(sizes, sizes.sum(1, keepdim=True))).sum(1), attribution)


def completeness_gap(attribution: Maps, change: Maps) -> Maps:
    r"""What the relevance adds up to, minus what it should.

    $$\sum_i R_i - (f(x) - f(x_0))$$

    Args:
        attribution: signed explanations, `(N, ...)`.
        change: score of each image minus the score of its baseline, `(N,)`; for methods that share out the score
            itself, such as LRP without biases, the score.

    Returns:
        Signed, on the scale of the score, `(N,)`; 0 is complete. A map of zeros explains nothing of the change: its gap
        is the change with its sign turned.

    Raises:
        ShapeError: the changes are not one an image.

    Reference:
        Sundararajan et al. 2017, arXiv:1703.01365, proposition 1 (completeness).
    """
    sums, wanted = _rows(attribution).sum(1), as_tensor(change)
    if wanted.shape != sums.shape:
        raise ShapeError(f"change must be ({len(sums)},), one number an image, got {tuple(wanted.shape)}")
    return in_kind(sums - wanted.to(sums), attribution)


def _rows(attribution: Maps) -> Tensor:
    maps = as_tensor(attribution)
    if maps.ndim < 2:
        raise ShapeError(f"attribution must be (N, C, *S), got {tuple(maps.shape)}")
    return maps.flatten(1)


def _sizes(attribution: Maps) -> Tensor:
    """Absolute entries, `(N, d)`, the largest 1 so that no sum overflows; NaN among them where one is not finite."""
    sizes = _rows(attribution).abs()
    largest = sizes.amax(1, keepdim=True)
    return sizes / torch.where(largest > 0, largest, torch.ones_like(largest))
