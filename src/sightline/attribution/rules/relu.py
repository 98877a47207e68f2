r"""ReLU under LRP-epsilon, in guided backpropagation and in a DeconvNet.

Under LRP, write the relevance of an activation as $R = a \odot c$. For $z = Wa + b$ and $a' = \mathrm{relu}(z)$,
LRP-epsilon is $c = W^\top (c' \odot q)$ with $q = \mathrm{relu}(z) / (z + \epsilon\,\mathrm{sign}\,z)$: the derivative
of the ReLU, 0 or 1, gives way to $q$, which is 0 for $z \le 0$ and rises from 0 to 1 above.
"""

# ruff: noqa: ANN401 - what autograd hands to a function has no type

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from sightline.attribution.drawing import Drawing

_threshold_backward = torch.ops.aten.threshold_backward.default


def relu(z: Tensor, drawing: Drawing, *, inplace: bool = False, stabilised: bool = True) -> Tensor:
    """Rectify, and answer the drawing with the quotient of LRP-epsilon.

    Args:
        z: pre-activation, any shape.
        drawing: of this forward pass.
        inplace: write the result over `z`, as `nn.ReLU(inplace=True)` does.
        stabilised: False answers with the plain step, for the activation at which an input rule takes over.

    Returns:
        The activation, shaped as `z`.

    Reference:
        Bach et al. 2015, doi:10.1371/journal.pone.0130140, eq. 58.
    """
    activation: Tensor = _ReLU.apply(z, drawing, inplace, stabilised)  # type: ignore[no-untyped-call]
    return activation


def rectified(z: Tensor, drawing: Drawing, *, inplace: bool = False) -> Tensor:
    """Rectify; a gradient passes where it is positive, in guided backpropagation only where the activation is too.

    Args:
        z: pre-activation, any shape.
        drawing: of this forward pass, whose rectifier is `guided` or `deconvnet`.
        inplace: write the result over `z`, as `nn.ReLU(inplace=True)` does.

    Returns:
        The activation, shaped as `z`.

    Reference:
        Zeiler and Fergus 2014, arXiv:1311.2901, section 2.1; Springenberg et al. 2015, arXiv:1412.6806, section 3.4.
    """
    activation: Tensor = _Rectified.apply(z, drawing, inplace)  # type: ignore[no-untyped-call]
    return activation


class _ReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, drawing: Drawing, inplace: bool, stabilised: bool) -> Tensor:
        if inplace:
            ctx.mark_dirty(z)
        a = torch.relu_(z) if inplace else torch.relu(z)
        ctx.save_for_backward(a)
        ctx.drawing, ctx.stabilised = drawing, stabilised
        return a

    @staticmethod
    def backward(ctx: Any, c: Tensor) -> tuple[Tensor, None, None, None]:
        (a,) = ctx.saved_tensors
        drawing: Drawing = ctx.drawing
        if drawing.active and drawing.epsilon and ctx.stabilised:  # the quotient of LRP-0 is the plain step
            return _Quotient.apply(c, a, drawing.epsilon), None, None, None  # type: ignore[no-untyped-call]
        return _threshold_backward(c, a, 0), None, None, None


class _Quotient(torch.autograd.Function):
    """`c * a / (a + epsilon) = c - c / w` by way of the excess `w = 1 + a / epsilon`, exactly 1 where `a` is 0.

    Of what it computes it keeps the result `r` alone, which the rule that follows keeps anyway: `w` is made again from
    `a`, and the slope in `a` is `c / (epsilon * w^2) = r / (a * w)`. Where `a` is 0 the slope given is 0, not the true
    one: the ReLU that made `a` cuts it there. Written for few passes over little memory, which is what it costs.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, c: Tensor, a: Tensor, epsilon: float) -> Tensor:
        w = _excess(a, epsilon)
        r = torch.addcdiv(c, c, w, value=-1, out=w)
        ctx.save_for_backward(r, a)
        ctx.epsilon = epsilon  # type: ignore[attr-defined]
        return r

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, h: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        r, a = ctx.saved_tensors
        w = _excess(a, ctx.epsilon)
        to_c = torch.addcdiv(h, h, w, value=-1) if ctx.needs_input_grad[0] else None
        to_a = None
        if ctx.needs_input_grad[1]:
            smallest = a.new_full((), torch.finfo(a.dtype).tiny)
            product = torch.addcmul(smallest, a, w, out=w)
            to_a = torch.div(r, product, out=product).mul_(h)
        return to_c, to_a, None


def _excess(a: Tensor, epsilon: float) -> Tensor:
    return torch.rsub(a, 1, alpha=-1 / epsilon)


class _Rectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, drawing: Drawing, inplace: bool) -> Tensor:
        if inplace:
            ctx.mark_dirty(z)
        a = torch.relu_(z) if inplace else torch.relu(z)
        ctx.save_for_backward(a)
        ctx.drawing = drawing
        return a

    @staticmethod
    def backward(ctx: Any, c: Tensor) -> tuple[Tensor, None, None]:
        (a,) = ctx.saved_tensors
        if ctx.drawing.active:
            c = c.clamp(min=0)
            if ctx.drawing.rectifier == "deconvnet":
                return c, None, None
        return _threshold_backward(c, a, 0), None, None
