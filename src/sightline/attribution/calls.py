"""Arguments of torch's functions, whichever way they are spelled, as the rules want them."""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.attribution.drawing import Drawing
from sightline.attribution.rules.batch_norm import Norm
from sightline.attribution.rules.convolution import Geometry, convolution, transposed
from sightline.attribution.rules.linear import LinearMap
from sightline.attribution.rules.scale_ahead import ScaleAhead
from sightline.attribution.rules.shared_statistics import ADD_UP

Arguments = dict[str, Any]


def convolution_call(args: tuple[Any, ...], kwargs: Arguments) -> tuple[Tensor, Tensor, Tensor | None, Geometry]:
    """Input, weight, bias and geometry of a convolution."""
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    given = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1} | dict(zip(names, args, strict=False))
    given |= kwargs
    x, weight, bias = given["input"], given["weight"], given["bias"]
    n = weight.ndim - 2
    stride, dilation = _each_axis(given["stride"], n), _each_axis(given["dilation"], n)
    padding, far = given["padding"], (0,) * n
    if padding == "same":
        reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        padding, far = tuple(r // 2 for r in reach), tuple(r % 2 for r in reach)
    geometry = Geometry(stride, _each_axis(0 if padding == "valid" else padding, n), dilation, given["groups"], far)
    return x, weight, bias, geometry


def convolve(
    args: tuple[Any, ...],
    kwargs: Arguments,
    drawing: Drawing,
    ahead: Callable[[Tensor], ScaleAhead | None] | None = None,
) -> tuple[Tensor, Tensor, Tensor, Geometry]:
    """Convolve, in autocast's precision where it is on; the output, the input, the weight and the geometry.

    Args:
        args: of the call.
        kwargs: of the call.
        drawing: of this forward pass.
        ahead: the scale of a batch normalisation that came before, by the input.
    """
    x, weight, bias, geometry = convolution_call(args, kwargs)
    scale = None if ahead is None or geometry.groups > 1 or not _is_worth_scaling(x, weight) else ahead(x)
    if scale is not None:
        scale.readers.takers += 1
    if torch.is_autocast_enabled(x.device.type) and x.dtype != torch.float64:  # autocast leaves float64 alone
        dtype = torch.get_autocast_dtype(x.device.type)
        low, low_weight = x.to(dtype), weight.to(dtype)
        y = convolution(low, low_weight, None if bias is None else bias.to(dtype), geometry, drawing, ahead=scale)
    else:
        y = convolution(x, weight, bias, geometry, drawing, ahead=scale)
    return y, x, weight, geometry


def _is_worth_scaling(x: Tensor, weight: Tensor) -> bool:
    """Whether a channel of `x` is no smaller than its kernels; the batch is not asked, and stays free in an export."""
    return prod(x.shape[2:]) >= weight.numel() // weight.shape[1]


def linear_call(args: tuple[Any, ...], kwargs: Arguments) -> tuple[Tensor, Tensor, Tensor | None]:
    """Input, weight and bias of a fully connected layer."""
    given = dict(zip(("input", "weight", "bias"), args, strict=False)) | kwargs
    return given["input"], given["weight"], given.get("bias")


def map_of(plain: str, args: tuple[Any, ...], kwargs: Arguments) -> tuple[LinearMap, Tensor, Tensor, Tensor | None]:
    """What a linear layer computes, without its weights; then its input, weight and bias.

    Args:
        plain: `linear`, or the name of a convolution or transposed convolution.
        args: of the call.
        kwargs: of the call.
    """
    if plain == "linear":
        return LinearMap(F.linear, lambda c, w, x: c @ w), *linear_call(args, kwargs)
    if plain.startswith("conv_transpose"):
        return _transposed_map(plain, args, kwargs)
    x, weight, bias, geometry = convolution_call(args, kwargs)
    forward = Drawing()

    def convolved(x: Tensor, w: Tensor) -> Tensor:
        return convolution(x, w, None, geometry, forward)

    def back(c: Tensor, w: Tensor, x: Tensor) -> Tensor:
        return transposed(c, w, x, geometry)

    return LinearMap(convolved, back), x, weight, bias


def _transposed_map(
    plain: str, args: tuple[Any, ...], kwargs: Arguments
) -> tuple[LinearMap, Tensor, Tensor, Tensor | None]:
    names = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
    given = {"bias": None, "stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "dilation": 1}
    given |= dict(zip(names, args, strict=False)) | kwargs
    weight: Tensor = given["weight"]  # type: ignore[assignment]
    ahead, back = getattr(F, plain), getattr(F, plain.replace("_transpose", ""))
    shared = {name: given[name] for name in ("stride", "padding", "groups", "dilation")}

    def forward(x: Tensor, w: Tensor) -> Tensor:
        y: Tensor = ahead(x, w, None, output_padding=given["output_padding"], **shared)
        return y

    def transpose(c: Tensor, w: Tensor, x: Tensor) -> Tensor:
        answer: Tensor = back(c, w, None, **shared)
        return answer

    outputs = 1 if given["groups"] == 1 else None
    return LinearMap(forward, transpose, outputs), given["input"], weight, given["bias"]  # type: ignore[return-value]


def batch_norm_call(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Arguments) -> tuple[Tensor, Norm, float]:
    """Input, normalisation and momentum of a batch normalisation."""
    statistics, affine = ("running_mean", "running_var"), ("weight", "bias")
    order = (*statistics, *affine) if func is F.batch_norm else (*affine, *statistics)  # torch.batch_norm differs
    names = ("input", *order, "training", "momentum", "eps")
    given = dict(zip(names, args, strict=False)) | kwargs
    norm = Norm(
        given["running_mean"],
        given["running_var"],
        given.get("weight"),
        given.get("bias"),
        given.get("training", False),
        given.get("eps", 1e-5),
        ADD_UP.get(),
    )
    return given["input"], norm, given.get("momentum", 0.1)


def _each_axis(value: int | tuple[int, ...], n: int) -> tuple[int, ...]:
    return (value,) * n if isinstance(value, int) else tuple(value) * (n if len(value) == 1 else 1)
