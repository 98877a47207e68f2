r"""The heatmap background loss $L_1$ of the ISNet: how much is looked at where nothing should be."""

import math

import torch
from torch import Tensor

from sightline.errors import SettingsError

_EPS = 1e-10  # the paper's e: 0 / 0 = 0


def background_loss(
    relevance: Tensor, regions: Tensor, *, decay: float, slope: float = 1.0, tolerance: float = 0.0
) -> Tensor:
    r"""Penalise relevance outside the region, relative to the mean inside it.

    $$L_1 = -\ln\Big(1 - \frac{r}{r + E}\Big) = \ln(1 + r / E), \qquad r = \mathrm{GWRP}_d\big((1 - M) \odot H'\big),
    \qquad H' = \frac{|H|}{\overline{|H|}_M}$$

    Where nothing is allowed, as for a class that is absent, there is no mean inside; see `evidence_loss`.

    Args:
        relevance: $M$ maps of each image, `(N, M, C, *S)`.
        regions: 1 where attention is allowed, `(N, M, *S)` in [0, 1].
        decay: $d$ of the pooling, from 0 (the worst pixel) to 1 (the mean); see `decay_for_share`.
        tolerance: pooled relevance $r$ that costs nothing. The gradient of an absolute value does not fade as the value
            does; without a tolerance its noise goes on when there is nothing left to remove. Not in the paper.
        slope: $E$; smaller punishes faint background attention more.

    Returns:
        Loss of each map, averaged over its channels, `(N, M)`.

    Reference:
        Bassi et al. 2024, doi:10.1038/s41467-023-44371-z, eq. 5 to 11. The paper clamps $r / (r + E)$ at $1 - 10^{-7}$
        to keep the logarithm finite; written as $\ln(1 + r / E)$ it is finite, and its gradient does not vanish when
        it is needed most.
    """
    closed = regions.flatten(2).amax(2) == 0  # (N, M)
    if bool(closed.any()):
        evidence = evidence_loss(relevance, slope=slope, tolerance=tolerance)
        if bool(closed.all()):
            return evidence
        opened = regions.masked_fill(closed.reshape(*closed.shape, *(1,) * (regions.ndim - 2)), 1)
        losses = background_loss(relevance, opened, decay=decay, slope=slope, tolerance=tolerance)
        return torch.where(closed, evidence, losses)
    magnitude, allowed = relevance.abs(), regions.unsqueeze(2)
    axes = tuple(range(2, magnitude.ndim))
    inside = (magnitude * allowed).sum(axes, keepdim=True)
    places = allowed.sum(axes, keepdim=True) * magnitude.shape[2]
    normalised = magnitude / (inside / (places + _EPS) + _EPS)
    outside = (normalised * (1 - allowed)).flatten(3)  # (N, M, C, pixels)
    pooled = torch.relu(ranked_pooling(outside, decay=decay) - tolerance)
    return torch.log1p(pooled / slope).mean(2)


def evidence_loss(relevance: Tensor, *, slope: float = 1.0, tolerance: float = 0.0) -> Tensor:
    r"""Penalise what speaks for a class that may be looked for nowhere.

    $$L_1 = \ln\Big(1 + \frac{\max(p - t, 0)}{E}\Big), \qquad p = \frac{\sum \max(H, 0)}{\sum |H|}$$

    What speaks against it is free: a class is found absent by looking somewhere, too.

    Args:
        relevance: $M$ maps of each image, `(N, M, C, *S)`.
        slope: $E$.
        tolerance: $t$, a share that costs nothing; as elsewhere in units of a mean, here of the whole map.

    Returns:
        Loss of each map, `(N, M)`, at most $\ln(1 + 1 / E)$; 0 for a map of zeros.

    Reference:
        Ours, after Draelos and Carin 2020, arXiv:2011.08891, 3.5, who forbid the whole map of an absent class.
    """
    axes = tuple(range(2, relevance.ndim))
    share = relevance.clamp(min=0).sum(axes) / (relevance.abs().sum(axes) + torch.finfo(relevance.dtype).tiny)
    return torch.log1p(torch.relu(share - tolerance) / slope)


def ranked_pooling(values: Tensor, *, decay: float) -> Tensor:
    r"""Global weighted ranked pooling along the last axis.

    $$r = \frac{\sum_i d^i v_{(i)}}{\sum_i d^i}, \qquad v_{(1)} \ge v_{(2)} \ge \dots$$

    Only the ranks whose weight is felt at the precision of the values are sorted; $d = 1$ sorts nothing.

    Args:
        values: `(..., P)`, not negative.
        decay: $d$ in [0, 1].

    Returns:
        `(...)`.

    Raises:
        SettingsError: `decay` lies outside [0, 1].

    Reference:
        Kolesnikov and Lampert 2016, doi:10.1007/978-3-319-46493-0_42, section 3.2.
    """
    if not 0 <= decay <= 1:
        raise SettingsError(f"decay d must lie in [0, 1], got {decay}")
    if decay == 1:
        return values.mean(-1)
    if decay == 0:
        return values.amax(-1)
    total = values.shape[-1]
    felt = math.ceil(math.log(torch.finfo(values.dtype).eps) / math.log(decay))  # d^felt is the weight left out
    ranks = min(total, felt)
    weights = decay ** torch.arange(ranks, dtype=torch.float64)  # in float32 the power itself would be off by i eps
    top = values.topk(ranks, -1).values
    return top @ (weights / weights.sum()).to(values)


def decay_for_share(share: float, pixels: int) -> float:
    """Decay $d$ at which the pooling weighs about a given share of the pixels, at any resolution.

    Weights $d^i$ sum to $1 / (1 - d)$, which is about the number of pixels that count.

    Args:
        share: of the pixels, in (0, 1]; 1 gives the mean.
        pixels: of one map.

    Returns:
        $d$ in [0, 1].
    """
    return max(0.0, 1 - 1 / (share * pixels)) if share < 1 else 1.0
