"""Convolution of any dimension, with the transposed pass as a function of its own.

Autograd differentiates the input gradient of a convolution twice by a generic formula that costs about twice what two
plain convolutions do; here both backwards call the kernels themselves.
"""

# ruff: noqa: ANN401 - what autograd hands to a function has no type

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.attribution.drawing import Drawing
from sightline.attribution.rules.scale_ahead import Readers, ScaleAhead, scaled_kernels

_convolution_backward = torch.ops.aten.convolution_backward.default


@dataclass(frozen=True)
class Geometry:
    """How a convolution reads its input.

    Attributes:
        stride: along each spatial axis.
        padding: zeros on both sides of each axis.
        dilation: along each axis.
        groups: of channels.
        far: further zeros on the far side of each axis, as `padding="same"` needs for kernels of even size.
    """

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    far: tuple[int, ...]

    @cached_property
    def arguments(self) -> tuple[Any, ...]:
        """What follows the tensors in `aten::convolution` and its backward."""
        return (*map(list, (self.stride, self.padding, self.dilation)), False, [0] * len(self.stride), self.groups)

    def extend(self, x: Tensor) -> Tensor:
        """Append the zeros on the far side."""
        return F.pad(x, [p for far in reversed(self.far) for p in (0, far)]) if any(self.far) else x

    def crop(self, x: Tensor) -> Tensor:
        """Take them away again."""
        return F.pad(x, [p for far in reversed(self.far) for p in (0, -far)]) if any(self.far) else x


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    drawing: Drawing,
    *,
    ahead: ScaleAhead | None = None,
) -> Tensor:
    """Convolve; an explanation is passed back by the transposed convolution.

    Args:
        x: input, `(N, in, *S)`.
        weight: kernels, `(out, in / groups, *K)`.
        bias: `(out,)` or None.
        geometry: stride, padding, dilation and groups.
        drawing: of this forward pass.
        ahead: of the batch normalisation that `x` comes from, whose scale an explanation takes here if nobody else
            reads it; only of a convolution with one group.

    Returns:
        `(N, out, *S')`.
    """
    scale = (None, None, None) if ahead is None else (ahead.readers, ahead.weight, ahead.inverse)
    y: Tensor = _Convolution.apply(geometry.extend(x), weight, bias, geometry, drawing, *scale)  # type: ignore[no-untyped-call]
    return y


def transposed(c: Tensor, weight: Tensor, x: Tensor, geometry: Geometry) -> Tensor:
    """Pass `c`, `(N, out, *S')`, back to the shape of the input `x`; differentiable in `c` and `weight`."""
    back: Tensor = _Transposed.apply(c, weight, geometry.extend(x.detach()), geometry)  # type: ignore[no-untyped-call]
    return geometry.crop(back)


def transposed_both(c: Tensor, one: Tensor, other: Tensor, x: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """Pass `c` back by two kernels of a shape, as `transposed` does by each.

    Back to the few channels of an image it costs the same for one as for two, so it is done at once.
    """
    back = _TransposedBoth.apply(c, one, other, geometry.extend(x.detach()), geometry)  # type: ignore[no-untyped-call]
    return geometry.crop(back[0]), geometry.crop(back[1])


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        geometry: Geometry,
        drawing: Drawing,
        readers: Readers | None,
        norm_weight: Tensor | None,
        norm_inverse: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, norm_weight, norm_inverse)
        ctx.geometry, ctx.drawing, ctx.readers = geometry, drawing, readers
        ctx.bias_size = None if bias is None else list(bias.shape)
        y: Tensor = torch.convolution(x, weight, bias, *geometry.arguments)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, norm_weight, norm_inverse = ctx.saved_tensors
        if ctx.drawing.active:
            if ctx.readers is not None and ctx.readers.one:
                weight = scaled_kernels(weight, norm_weight, norm_inverse)
            return _Transposed.apply(g, weight, x.detach(), ctx.geometry), *(None,) * 7  # type: ignore[no-untyped-call]
        wanted = list(ctx.needs_input_grad[:3])
        grads = _convolution_backward(g, x, weight, ctx.bias_size, *ctx.geometry.arguments, wanted)
        return *grads, *(None,) * 5


class _Transposed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, c: Tensor, weight: Tensor, x: Tensor, geometry: Geometry) -> Tensor:
        if c.untyped_storage().nbytes() > c.nbytes:  # a slice, as of a concatenation, would keep the whole of it
            c = c.clone()
        ctx.save_for_backward(c, weight)
        ctx.geometry = geometry
        back: Tensor = _convolution_backward(c, x, weight, None, *geometry.arguments, [True, False, False])[0]
        return back

    @staticmethod
    def backward(ctx: Any, h: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        c, weight = ctx.saved_tensors
        arguments = ctx.geometry.arguments
        to_c = torch.convolution(h, weight, None, *arguments) if ctx.needs_input_grad[0] else None
        to_weight = None
        if ctx.needs_input_grad[1]:
            to_weight = _convolution_backward(c, h, weight, None, *arguments, [False, True, False])[1]
        return to_c, to_weight, None, None


class _TransposedBoth(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, c: Tensor, one: Tensor, other: Tensor, x: Tensor, geometry: Geometry
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(c, one, other)
        ctx.geometry = geometry
        doubled = x.new_empty(x.shape[0], 2 * x.shape[1], *x.shape[2:])  # only its shape is asked
        kernels = torch.cat((one, other), 1)
        back = _convolution_backward(c, doubled, kernels, None, *geometry.arguments, [True, False, False])[0]
        halves = back.unflatten(1, (geometry.groups, 2, -1))  # (N, groups, 2, in / groups, *S)
        return halves[:, :, 0].reshape(x.shape), halves[:, :, 1].reshape(x.shape)

    @staticmethod
    def backward(ctx: Any, *hs: Tensor) -> tuple[Tensor | None, ...]:
        c, *kernels = ctx.saved_tensors
        arguments = ctx.geometry.arguments
        to_c, to_kernels = None, []
        for h, weight, wanted in zip(hs, kernels, ctx.needs_input_grad[1:3], strict=True):
            if ctx.needs_input_grad[0]:
                part = torch.convolution(h, weight, None, *arguments)
                to_c = part if to_c is None else to_c + part
            only_weight = [False, True, False]
            to_kernels.append(_convolution_backward(c, h, weight, None, *arguments, only_weight)[1] if wanted else None)
        return to_c, *to_kernels, None, None
