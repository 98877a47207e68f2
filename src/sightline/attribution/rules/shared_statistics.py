r"""Batch normalisation by the statistics of a batch that several processes share.

The sums over the batch, of the values and their squares in the forward pass and of the gradients in the backward pass,
are added up over the processes, so that an image is normalised as if all were in one place. Adding up is a function
with a gradient of its own, which is adding up again; so all of it can be differentiated as often as wanted.

`torch.nn.SyncBatchNorm` runs on GPUs only, and its backward pass has no gradient.
"""

# ruff: noqa: ANN401 - what autograd hands to a function, and torch to a mode, has no type

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

AddUp = Callable[[Tensor], None]
"""Adds a tensor to those of the other processes, in place: all have the sum then."""

ADD_UP: ContextVar[AddUp | None] = ContextVar("add_up", default=None)


def added_up(values: Tensor, add_up: AddUp) -> Tensor:
    """Sum of a tensor over the processes, on the graph of each."""
    total: Tensor = _AddedUp.apply(values, add_up)  # type: ignore[no-untyped-call]
    return total


class _AddedUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, add_up: AddUp) -> Tensor:
        ctx.add_up = add_up
        ctx.set_materialize_grads(False)
        total = values.clone(memory_format=torch.contiguous_format)
        add_up(total)
        return total

    @staticmethod
    def backward(ctx: Any, g: Tensor | None) -> tuple[Tensor | None, None]:
        return None if g is None else added_up(g, ctx.add_up), None  # None while an explanation is drawn


def shared_statistics(x: Tensor, add_up: AddUp) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance of each channel of the whole batch, and how many values they are of.

    Args:
        x: this process's share, `(N, C, *S)`; `N` may be 0.
        add_up: adds up over the processes.

    Returns:
        Mean and biased variance, `(C,)`, and the number, scalar, on the graph, float32 at least.
    """
    axes = [axis for axis in range(x.ndim) if axis != 1]
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    own = x.numel() // x.shape[1]
    mean = wide.mean(axes) if own else wide.sum(axes)
    squares = (wide - _beside(mean, wide)).square().sum(axes) if own else wide.sum(axes)
    mean, squares = mean.double(), squares.double()  # (C,): what follows must not lose the digits
    count = mean.new_tensor([float(own)])
    sums = added_up(torch.cat((own * mean, squares + own * mean.square(), count)), add_up)
    total = sums[-1]
    centre, moment = sums[:-1].reshape(2, -1) / total
    return centre.to(wide.dtype), (moment - centre.square()).clamp(min=0).to(wide.dtype), total.detach()


def move_statistics(
    mean: Tensor | None, var: Tensor | None, batch: tuple[Tensor, Tensor, Tensor], momentum: float
) -> None:
    """Move running statistics towards those of a batch, as `F.batch_norm` does.

    Args:
        mean: running mean, `(C,)`, or None.
        var: running variance.
        batch: from `shared_statistics`.
        momentum: how far.
    """
    centre, variance, count = batch
    with torch.no_grad():
        if mean is not None:
            mean.lerp_(centre.to(mean.dtype), momentum)
        if var is not None:
            var.lerp_((variance * (count / (count - 1).clamp(min=1)).to(variance.dtype)).to(var.dtype), momentum)


def _beside(values: Tensor, like: Tensor) -> Tensor:
    return values.view(1, -1, *(1,) * (like.ndim - 2))
