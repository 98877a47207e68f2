"""Maps made from the gradient by the pixels, brought to a form that can be compared with a map of gaze."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Channels = Literal["max", "mean"]
Scale = Literal["minmax", "zscore"]

_LEAST = 1e-3  # chance that a map gives to any pixel, which bounds the gradient of its logarithm


def derived_map(attribution: Tensor, *, channels: Channels = "max", resolution: int | None = None) -> Tensor:
    """Pool the absolute attribution over the channels.

    Args:
        attribution: `(N, C, *S)`.
        channels: `max` or `mean` of them.
        resolution: pixels along the longest side that the map is averaged down to; None, or more than it has, keeps
            the size.

    Returns:
        `(N, 1, *S')`, at least 0, on the graph.
    """
    size = attribution.abs()
    maps = size.amax(1, keepdim=True) if channels == "max" else size.mean(1, keepdim=True)
    longest = max(maps.shape[2:])
    if resolution is None or resolution >= longest:
        return maps
    return F.interpolate(maps, [math.ceil(side * resolution / longest) for side in maps.shape[2:]], mode="area")


def map_logits(maps: Tensor, scale: Scale) -> Tensor:
    r"""Read each map as logits of a chance at each pixel, whatever its unit.

    `minmax` makes the chance $x = \delta + (1 - 2\delta) (m - \min m) / (\max m - \min m)$ with $\delta = 10^{-3}$,
    and returns its logit; without $\delta$ the cross-entropy of a pixel at the least value would have an infinite
    gradient. `zscore` returns $(m - \bar m) / s$ with the standard deviation $s$ over the pixels.

    Args:
        maps: `(N, 1, *S)`.
        scale: `minmax` or `zscore`.

    Returns:
        Shaped as `maps`, in float32 at least, on the graph; for a map that is the same at all pixels the logit of
        $\delta$ throughout, or 0.
    """
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    axes = tuple(range(1, maps.ndim))
    if scale == "minmax":
        low = maps.amin(axes, keepdim=True)
        spread = maps.amax(axes, keepdim=True) - low
        return (_LEAST + (1 - 2 * _LEAST) * (maps - low) / torch.where(spread > 0, spread, 1)).logit()
    centred = maps - maps.mean(axes, keepdim=True)
    variance = centred.square().mean(axes, keepdim=True)
    return centred / torch.where(variance > 0, variance, 1).sqrt()
