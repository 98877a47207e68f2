"""Batch normalisation as the affine map it is.

While an explanation is drawn the statistics are held fixed, also those of the batch in training mode: otherwise
relevance of one image would land on the others. The scale that they give is still a function of the batch, and the loss
on the map is differentiated through it, so the gradient is exact in both modes.
"""

# ruff: noqa: ANN401 - what autograd hands to a function has no type

from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from sightline.attribution.drawing import Drawing
from sightline.attribution.rules.scale_ahead import Readers, scale_of
from sightline.attribution.rules.shared_statistics import AddUp, move_statistics, shared_statistics
from sightline.errors import ShapeError

_backward = torch.ops.aten.native_batch_norm_backward.default


@dataclass(frozen=True)
class Norm:
    """A batch normalisation, as it is called.

    Attributes:
        mean: running mean, `(C,)`, or None; updated in training mode, as `F.batch_norm` does.
        var: running variance, as `mean`.
        weight: `(C,)` or None for ones.
        bias: `(C,)` or None for zeros.
        training: normalise by the statistics of the batch.
        eps: added to the variance.
        add_up: adds up over the processes that share the batch, for its statistics; None where this one has all of it.
    """

    mean: Tensor | None
    var: Tensor | None
    weight: Tensor | None
    bias: Tensor | None
    training: bool
    eps: float
    add_up: AddUp | None = None

    @property
    def shares_statistics(self) -> bool:
        """Whether it normalises by statistics of which other processes have a share."""
        return self.training and self.add_up is not None


class Merged(Protocol):
    """A linear layer that may have taken a normalisation into its weights."""

    @property
    def merged(self) -> bool:
        """Whether it has; known once the forward pass has ended."""


@dataclass(frozen=True)
class Passing:
    """What a batch normalisation does with an explanation that arrives.

    Attributes:
        drawing: of this forward pass.
        ends: pass nothing on, where an input rule takes over with the normalisation merged into the weights.
        layer: that made the input; where the normalisation is merged into it, an explanation passes as it is.
        readers: of the output; where one convolution among them takes the scale, an explanation passes as it is.
    """

    drawing: Drawing
    ends: bool = False
    layer: Merged | None = None
    readers: Readers | None = None

    @property
    def scaled_elsewhere(self) -> bool:
        """Whether another applies the scale; known once the forward pass has ended."""
        return (self.layer is not None and self.layer.merged) or (self.readers is not None and self.readers.one)


def batch_norm(x: Tensor, norm: Norm, momentum: float, passing: Passing) -> tuple[Tensor, Tensor | None]:
    """Normalise each channel; an explanation is passed back by the channel's scale.

    Args:
        x: input, `(N, C, *S)` or `(N, C)`.
        norm: statistics, weights and mode.
        momentum: of the running statistics.
        passing: of explanations.

    Returns:
        The output, shaped as `x`, and the inverse deviation that it was normalised by, `(C,)`, on the graph; None of
        an empty batch.

    Raises:
        ShapeError: a single value a channel is to be normalised by its own statistics.
    """
    if norm.shares_statistics:
        return _by_shared_statistics(x, norm, momentum, passing)
    if not x.numel():  # on an empty batch torch's kernel for the backward divides by zero and ends the process
        y = F.batch_norm(x, norm.mean, norm.var, norm.weight, norm.bias, norm.training, momentum, norm.eps)
        return y, None
    if norm.training and x.numel() == x.shape[1]:
        raise ShapeError(f"batch normalisation in training mode needs several values a channel, got {tuple(x.shape)}")
    y, inverse = _BatchNorm.apply(x, norm.weight, norm.bias, norm, momentum, passing)  # type: ignore[no-untyped-call]
    return y, inverse


def channel_scale(
    x: Tensor,
    running_var: Tensor | None,
    weight: Tensor | None,
    training: bool,
    eps: float,
    add_up: AddUp | None = None,
) -> Tensor:
    """Factor that batch normalisation applies to each channel of `x`, `(C,)`, differentiable in `x` and `weight`."""
    if training and add_up is not None:
        variance = shared_statistics(x, add_up)[1]
    elif training or running_var is None:
        dims = [d for d in range(x.ndim) if d != 1]
        variance = x.float().var(dims, unbiased=False) if x.dtype != torch.float64 else x.var(dims, unbiased=False)
    else:
        variance = running_var
    inverse = torch.rsqrt(variance + eps)
    return scale_of(weight, inverse)


def _over_channels(value: Tensor, like: Tensor) -> Tensor:
    same = value if value.dtype == like.dtype else value.to(like.dtype)
    return same.view(-1, *(1,) * (like.ndim - 2))


def _by_shared_statistics(x: Tensor, norm: Norm, momentum: float, passing: Passing) -> tuple[Tensor, Tensor]:
    with torch._C.DisableTorchFunction():  # what statistics are made of has no rule
        centre, variance, count = shared_statistics(x, norm.add_up)  # type: ignore[arg-type]
        move_statistics(norm.mean, norm.var, (centre, variance, count), momentum)
        inverse = torch.rsqrt(variance + norm.eps)
        y: Tensor = _Affine.apply(x, norm.weight, norm.bias, centre, inverse, passing)  # type: ignore[no-untyped-call]
        return y, inverse


class _Affine(torch.autograd.Function):
    """`(x - centre) * inverse * weight + bias`; an explanation is passed to `x` alone, by the scale."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        centre: Tensor,
        inverse: Tensor,
        passing: Passing,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, bias, centre, inverse)
        ctx.passing = passing
        scale = scale_of(weight, inverse)
        shift = -centre * scale if bias is None else bias - centre * scale
        return torch.addcmul(_over_channels(shift, x), x, _over_channels(scale, x))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, centre, inverse = ctx.saved_tensors
        scale, passing = scale_of(weight, inverse), ctx.passing
        if passing.drawing.active:
            elsewhere = passing.scaled_elsewhere
            return g if elsewhere else None if passing.ends else g * _over_channels(scale, g), *(None,) * 5
        axes = [axis for axis in range(x.ndim) if axis != 1]
        wide = g.to(inverse.dtype)
        to_bias = wide.sum(axes)  # (C,)
        product = (wide * (x - _over_channels(centre, x))).sum(axes)
        to_inverse = product if weight is None else product * weight
        to_weight = None if weight is None else (product * inverse).to(weight.dtype)
        to_x = g * _over_channels(scale, g)
        own = None if bias is None else to_bias.to(bias.dtype)
        return to_x, to_weight, own, -to_bias * scale, to_inverse, None


class _BatchNorm(torch.autograd.Function):
    """Gives the inverse deviation too, `(C,)`: what the map owes to the statistics comes back by it, not by `x`."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, norm: Norm, momentum: float, passing: Passing
    ) -> tuple[Tensor, Tensor]:
        mean, var, training, eps = norm.mean, norm.var, norm.training, norm.eps
        y, batch_mean, batch_inverse = torch.native_batch_norm(x, weight, bias, mean, var, training, momentum, eps)
        inverse = batch_inverse if training else torch.rsqrt(var + eps)  # type: ignore[arg-type, operator]
        if not training:
            ctx.mark_non_differentiable(inverse)
        centre = batch_mean if training else mean
        ctx.save_for_backward(x, weight, mean, var, centre, inverse)
        ctx.set_materialize_grads(False)
        ctx.training, ctx.eps, ctx.passing = training, eps, passing
        return y, inverse

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, to_inverse: Tensor | None) -> tuple[Tensor | None, ...]:
        x, weight, mean, var, centre, inverse = ctx.saved_tensors
        if ctx.passing.drawing.active:
            if g is None or ctx.passing.scaled_elsewhere:
                return g, *(None,) * 5
            scaled = None if ctx.passing.ends else _Scaled.apply(g, weight, inverse)  # type: ignore[no-untyped-call]
            return scaled, *(None,) * 5
        to_x = to_weight = to_bias = None
        owed = to_inverse if ctx.needs_input_grad[0] else None
        if g is not None:
            wanted = [owed is None, weight is not None or owed is not None, True]
            grads = _backward(g, x, weight, mean, var, centre, inverse, ctx.training, ctx.eps, wanted)
            to_x, to_weight, to_bias = (grads[i] if ctx.needs_input_grad[i] else None for i in range(3))
        if owed is not None:  # d inverse / dx = -inverse^3 (x - mean) / count, in one pass with the rest
            to_x = _to_input(x, centre, inverse, weight, owed, None if g is None else (g, *grads[1:]))
        return to_x, to_weight, to_bias, *(None,) * 3


def _to_input(
    x: Tensor,
    centre: Tensor,
    inverse: Tensor,
    weight: Tensor | None,
    to_inverse: Tensor,
    known: tuple[Tensor, Tensor, Tensor] | None,
) -> Tensor:
    """Gradient of `x` from that of the inverse deviation and, if `known`, of the output.

    Args:
        x: input of a normalisation by the statistics of the batch, `(N, C, *S)`.
        centre: mean, `(C,)`.
        inverse: inverse deviation, `(C,)`.
        weight: `(C,)` or None.
        to_inverse: gradient of `inverse` alone, `(C,)`.
        known: gradients of the output, shaped as `x`, of the weight and of the bias.
    """
    per_value, shift, scale = -x.shape[1] / x.numel(), None, None
    if known is None:
        slope = to_inverse * inverse
    else:
        g, to_weight, to_bias = known
        scale = scale_of(weight, inverse)
        slope = torch.addcmul(to_weight if weight is None else weight * to_weight, to_inverse, inverse)
        shift = torch.mul(scale, to_bias).mul_(per_value)
    slope.mul_(inverse.square()).mul_(per_value)
    affine = slope, shift, centre, torch.ones_like(centre)
    to_x = torch.native_batch_norm(x, *affine, False, 0.0, 0.0)[0]  # (x - centre) * slope + shift
    return to_x if scale is None else to_x.addcmul_(g, _over_channels(scale, x))


class _Scaled(torch.autograd.Function):
    """`g * weight * inverse`, each channel by its own."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, weight: Tensor | None, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(g, weight, inverse)
        return g * _over_channels(scale_of(weight, inverse), g)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, h: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        g, weight, inverse = ctx.saved_tensors
        scale = scale_of(weight, inverse)
        to_g = h * _over_channels(scale, h) if ctx.needs_input_grad[0] else None
        if not any(ctx.needs_input_grad[1:]):
            return to_g, None, None
        product = _channel_products(g, h)  # (C,)
        to_weight = product * inverse if ctx.needs_input_grad[1] else None
        return to_g, to_weight, product if weight is None else product * weight


def _channel_products(g: Tensor, h: Tensor) -> Tensor:
    """Sum of `g * h` over all but the channel, `(C,)`, in one pass: the weight gradient of normalising by (0, 1)."""
    like = torch.float64 if g.dtype == torch.float64 else torch.float32
    zeros, ones = g.new_zeros(g.shape[1], dtype=like), g.new_ones(g.shape[1], dtype=like)
    product: Tensor = _backward(g, h, None, None, None, zeros, ones, True, 0.0, [False, True, False])[1]
    return product
