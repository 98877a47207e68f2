"""Guided backpropagation and DeconvNet for activations that are no ReLU, for which the methods are not defined.

The explainers of `sightline.attribution` let the gradient of other activations pass as it is. In a network of SiLUs, as
EfficientNet, guided backpropagation and DeconvNet would then both be the plain gradient.
"""

# ruff: noqa: ANN401 - what autograd hands to a function, and torch to a mode, has no type

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sightline.attribution.drawing import Drawing
from sightline.attribution.operations import name_of, writes_in_place
from sightline.attribution.rules.activation import ACTIVATIONS

_OTHERS = ACTIVATIONS - {"relu"}  # the explainers have the rule of the ReLU


class EveryActivation(TorchFunctionMode):
    r"""Gives every activation $a = f(z)$ within the block the rule of the ReLU, while an explanation is drawn.

    A gradient $g$ becomes $g\, 1[g > 0]\, 1[a > 0]\, f'(z)$ in guided backpropagation and $g\, 1[g > 0]$ in a
    DeconvNet; with ReLUs this is what the explainers do. At any other time it becomes $g\, f'(z)$ as ever.

    Args:
        drawing: whose `rectifier` is `guided` or `deconvnet`; an explanation is drawn while its `pencil` is held.
    """

    def __init__(self, drawing: Drawing) -> None:
        super().__init__()
        self._drawing = drawing

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = name_of(func)
        if name.strip("_") not in _OTHERS:
            return func(*args, **kwargs)
        z: Tensor = args[0] if args else kwargs["input"]
        inplace = writes_in_place(name, args, kwargs)
        read = z.clone() if inplace else z
        given = read.clone() if inplace else read
        a = func(given, *args[1:], **{key: value for key, value in kwargs.items() if key != "input"})
        ruled: Tensor = _Rule.apply(read, a, self._drawing)  # type: ignore[no-untyped-call]
        return z.copy_(ruled) if inplace else ruled


class _Rule(torch.autograd.Function):
    """The activation as it is; its gradient goes by way of it, or past it straight to `z`."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, a: Tensor, drawing: Drawing) -> Tensor:
        ctx.save_for_backward(a)
        ctx.drawing = drawing
        return a.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        if not ctx.drawing.active:
            return None, g, None
        if ctx.drawing.rectifier == "deconvnet":
            return g.clamp(min=0), None, None
        (a,) = ctx.saved_tensors
        return None, g.clamp(min=0) * (a > 0), None
