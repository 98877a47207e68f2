"""Normalisations by an image's own statistics, called as torch calls them, with their rule."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sightline.attribution.drawing import Drawing
from sightline.attribution.rules.normalisation import centred, scaled

_NAMES = {
    "layer_norm": ("input", "normalized_shape", "weight", "bias", "eps"),
    "group_norm": ("input", "num_groups", "weight", "bias", "eps"),
    "rms_norm": ("input", "normalized_shape", "weight", "eps"),
    "normalize": ("input", "p", "dim", "eps"),
}
_OF_MODULE = ("input", "running_mean", "running_var", "weight", "bias", "use_input_stats", "momentum", "eps")
_OF_TORCH = ("input", "weight", "bias", "running_mean", "running_var", "use_input_stats", "momentum", "eps")


def normalise(
    func: Callable[..., Any], plain: str, args: tuple[Any, ...], kwargs: dict[str, Any], drawing: Drawing
) -> Tensor:
    """Call a normalisation and give it its rule.

    Args:
        func: of torch.
        plain: its name, one of `NORMALISATIONS`.
        args: of the call.
        kwargs: of the call.
        drawing: of this forward pass.

    Returns:
        The normalised input.
    """
    y: Tensor = func(*args, **kwargs)
    names = _NAMES.get(plain) or (_OF_TORCH if func is torch.instance_norm else _OF_MODULE)
    given = dict(zip(names, args, strict=False)) | kwargs
    x: Tensor = given["input"]
    weight: Tensor | None = given.get("weight")
    if plain == "normalize":
        p, dim, eps = given.get("p", 2.0), given.get("dim", 1), given.get("eps", 1e-12)
        return scaled(y, x, lambda x: 1 / x.norm(p, dim, keepdim=True).clamp(min=eps), drawing)
    if plain in ("layer_norm", "rms_norm"):
        shape = given["normalized_shape"]
        axes = 1 if isinstance(shape, int) else len(shape)
        if plain == "rms_norm":
            return scaled(y, x, lambda x: _inverse_rms(x, axes, weight, given.get("eps")), drawing)
        return centred(y, x, weight, (*x.shape[:-axes], -1), given.get("eps", 1e-5), drawing)
    if plain == "instance_norm" and not given.get("use_input_stats", True):
        return y  # by running statistics: linear
    if weight is not None:
        weight = weight.view(1, -1, *(1,) * (x.ndim - 2))
    groups = given["num_groups"] if plain == "group_norm" else x.shape[1]
    return centred(y, x, weight, (len(x), groups, -1), given.get("eps", 1e-5), drawing)


def _inverse_rms(x: Tensor, axes: int, weight: Tensor | None, eps: float | None) -> Tensor:
    mean = x.square().mean(tuple(range(-axes, 0)), keepdim=True)
    inverse = torch.rsqrt(mean + (torch.finfo(x.dtype).eps if eps is None else eps))
    return inverse if weight is None else inverse * weight
