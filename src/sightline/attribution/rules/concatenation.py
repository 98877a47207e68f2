"""Concatenation, with the way back as a function of its own.

Autograd takes the gradient of a concatenation apart by slicing it, and differentiates each slice by writing it into
zeros of the whole and adding up; here the parts are put together again in one pass.
"""

# ruff: noqa: ANN401 - what autograd hands to a function has no type

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def concatenate(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None, **others: Any) -> Tensor:
    """Concatenate, as `torch.cat` does.

    Args:
        tensors: alike but for their lengths along `dim`; what else torch takes, it gets.
        dim: along which.
        axis: another name for it.
        others: further arguments of `torch.cat`, which then does it.
    """
    dim = dim if axis is None else axis
    alike = {(tensor.ndim, tensor.dtype, type(tensor)) for tensor in tensors}
    axes = tensors[0].ndim if len(alike) == 1 else 0
    if others or not isinstance(dim, int) or not -axes <= dim < axes:
        return torch.cat(tensors, dim, **others)  # type: ignore[arg-type]
    joined: Tensor = _Joined.apply(dim % axes, *tensors)  # type: ignore[no-untyped-call]
    return joined


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dim: int, *tensors: Tensor) -> Tensor:
        ctx.dim, ctx.lengths = dim, [tensor.shape[dim] for tensor in tensors]
        return torch.cat(tensors, dim)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        return None, *_Parted.apply(g, ctx.dim, ctx.lengths)  # type: ignore[no-untyped-call]


class _Parted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, dim: int, lengths: list[int]) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.dim = dim
        parts = torch.split_with_sizes(g, lengths, dim)
        ctx.shapes = [part.shape for part in parts]
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *hs: Tensor | None) -> tuple[Tensor | None, None, None]:
        known = next((h for h in hs if h is not None), None)
        if known is None:
            return None, None, None
        pairs = zip(hs, ctx.shapes, strict=True)
        whole = [known.new_zeros(shape) if h is None else h for h, shape in pairs]
        return torch.cat(whole, ctx.dim), None, None
