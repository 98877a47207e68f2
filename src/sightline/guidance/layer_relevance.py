"""Relevance at layers inside a model, as maps that a loss can compare with regions."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sightline.attribution.explainer import evaluation_mode
from sightline.compiled_models import named_layers, uncompiled
from sightline.errors import SettingsError, ShapeError
from sightline.guidance.aligned_maps import aligned_maps, anywhere, enlarged, explained_region, map_weights
from sightline.guidance.background_loss import ranked_pooling
from sightline.regions import grow_region
from sightline.types import Explanation


def last_of_each_resolution(model: nn.Module, images: Tensor) -> tuple[str, ...]:
    """Name the last layer of each resolution that a model works at, between that of the images and a single place.

    Args:
        model: comes back as it was.
        images: `(N, C, *S)`.

    Returns:
        Dotted names, in the order in which the model first comes to their resolutions.

    Raises:
        SettingsError: the model keeps the resolution, or has none inside.
    """
    last: dict[tuple[int, ...], str] = {}
    names = {part: name for name, part in named_layers(model).items() if name}

    def note(part: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ANN401 - whatever a layer takes and returns
        if not isinstance(output, Tensor) or output.ndim != images.ndim:
            return
        size = tuple(output.shape[2:])
        if size != tuple(images.shape[2:]) and max(size) > 1:
            last[size] = names[part]

    hooks = [part.register_forward_hook(note) for part in names]
    try:
        with evaluation_mode(model), torch.no_grad(), uncompiled():
            model(images[:1])
    finally:
        for hook in hooks:
            hook.remove()
    if not last:
        raise SettingsError("layers must be named for this model: no layer inside it has another resolution")
    return tuple(last.values())


def layer_map(relevance: Tensor, size: Sequence[int], *, every: bool = False, count: int | None = None) -> Tensor:
    r"""Sum up absolute relevance over the channels of a layer, $\sum_c |R_c|$.

    Args:
        relevance: `(N, C', *S')`, or tokens `(N, T, C')` of a regular grid in the order of its rows, behind any that
            belong to no place, or for volumes `(N * D', C', H', W')`, where a 2-D network saw them in parts.
        size: of the images, `*S`, which the grid has the shape of.
        every: there is an axis of classes behind N.
        count: of the images, N; None where volumes are not seen in parts.

    Returns:
        `(N, 1, *S')`, or `(N, K, 1, *S')` with `every`.

    Raises:
        ShapeError: the layer is neither.
    """
    axes = relevance.ndim - every
    if axes == len(size) + 2:
        return relevance.abs().sum(1 + every, keepdim=True)
    if axes == len(size) + 1 == 4 and count and len(relevance) % count == 0:
        parts = relevance.abs().sum(1 + every)
        parts = parts.reshape(count, -1, *parts.shape[1:])  # (N, D', [K], H', W')
        return parts.movedim(1, 1 + every).unsqueeze(1 + every)
    if axes != 3:
        raise ShapeError(
            f"a layer to supervise must return (N, C, {', '.join('S' * len(size))}) or tokens (N, T, C), "
            f"its relevance is {tuple(relevance.shape)}"
        )
    grid = _grid(relevance.shape[1 + every], size)
    places = relevance.abs().sum(-1)[..., -math.prod(grid) :]
    return places.reshape(*relevance.shape[: 1 + every], 1, *grid)


def maps_of_layer(
    explanation: Explanation, relevance: Tensor, regions: Tensor, margin: float
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Bring $\sum_c |R_c|$ of a layer beside the regions at its resolution.

    Args:
        explanation: that the relevance belongs to.
        relevance: of the layer; see `layer_map`.
        regions: `(N, 1 or K, *S)`, NaN where unknown.
        margin: by how much they grow, share of the longest side.

    Returns:
        Maps `(N, M, 1, *S')`; 1 at every place that touches the region, `(N, M, *S')`, for its pixels see a little of
        both sides; and each map's weight in a mean, `(N, M)`, which is 0 where nothing is allowed: relevance without
        its sign cannot tell what speaks for a class that is absent.
    """
    every = explanation.attribution.ndim > regions.ndim
    size = explanation.attribution.shape[-len(regions.shape[2:]) :]
    summed = layer_map(relevance, size, every=every, count=len(explanation.logits))
    own = explained_region(explanation, regions, every=every)
    grown = grow_region(enlarged(own, summed.shape[-len(size) :]), margin, size)
    maps, allowed = aligned_maps(replace(explanation, attribution=summed), grown)
    touched = (allowed.nan_to_num() > 0).to(maps.dtype)
    return maps, touched, map_weights(allowed, regions) * anywhere(allowed)


def supervised(losses: Sequence[Tensor], weights: Sequence[float], *, decay: float) -> Tensor:
    """Bring the losses of the pixels and of some layers together by their ranked mean.

    Args:
        losses: that of the pixels first, scalars that are at least 0.
        weights: of the others; none for 1 each.
        decay: 1 for the mean, which the source's code has by default; its scripts have 0.8.

    Returns:
        Scalar.

    Reference:
        Bassi et al. 2024, doi:10.1109/ACCESS.2024.3462781, LRP deep supervision; the weights are ours.
    """
    each = weights or (1.0,) * (len(losses) - 1)
    weighted = [losses[0], *(weight * loss for weight, loss in zip(each, losses[1:], strict=True))]
    return ranked_pooling(torch.stack(weighted), decay=decay)


def _grid(tokens: int, size: Sequence[int]) -> tuple[int, ...]:
    """The finest grid of the images' shape that has no more places than tokens."""
    for steps in range(tokens, 0, -1):
        grid = tuple(max(1, round(steps * side / max(size))) for side in size)
        if math.prod(grid) <= tokens:
            return grid
    return (1,) * len(size)
