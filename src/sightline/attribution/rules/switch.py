"""A switch in the graph: the ordinary gradient goes through what was computed, an explanation past it, by its rule.

Rules that are cheap or rare are written with it, as plain torch operations; the few that a training step spends its
time in have functions of their own.
"""

# ruff: noqa: ANN401 - what autograd hands to a function has no type

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sightline.attribution.drawing import Drawing

Answer = Callable[..., tuple[Tensor | None, ...]]


def switch(y: Tensor, inputs: tuple[Tensor, ...], rule: Answer, drawing: Drawing) -> Tensor:
    """Answer an explanation that arrives at `y` by a rule.

    Args:
        y: what was computed from the inputs, any shape.
        inputs: tensors that the rule needs, those first that it answers; not changed in place later.
        rule: from what arrives at `y`, and the inputs, to what goes on to the first of them; in differentiable torch
            operations.
        drawing: of this forward pass.

    Returns:
        `y`.
    """
    result: Tensor = _Switch.apply(rule, drawing, y, *inputs)  # type: ignore[no-untyped-call]
    return result


def share(x: Tensor, amount: float, drawing: Drawing) -> Tensor:
    """Let pass only a share of an explanation; the ordinary gradient passes whole.

    Args:
        x: any shape; neither it nor the result may be changed in place later.
        amount: in [0, 1]; 0 ends the explanation here.
        drawing: of this forward pass.

    Returns:
        `x`.
    """
    result: Tensor = _Share.apply(x, amount, drawing)  # type: ignore[no-untyped-call]
    return result


class _Switch(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rule: Answer, drawing: Drawing, y: Tensor, *inputs: Tensor) -> Tensor:
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(False)
        ctx.rule, ctx.drawing = rule, drawing
        return y.clone()  # not a view: what follows may change it in place

    @staticmethod
    def backward(ctx: Any, g: Tensor | None) -> tuple[Tensor | None, ...]:
        count = len(ctx.needs_input_grad) - 3
        if g is None or not ctx.drawing.active:
            return None, None, g, *(None,) * count
        answers = ctx.rule(g, *ctx.saved_tensors)
        return None, None, None, *answers, *(None,) * (count - len(answers))


class _Share(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, amount: float, drawing: Drawing) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.amount, ctx.drawing = amount, drawing
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor | None) -> tuple[Tensor | None, None, None]:
        if g is not None and ctx.drawing.active:
            g = g * ctx.amount if ctx.amount else None
        return g, None, None
