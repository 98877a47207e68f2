r"""The rescale rule of DeepLIFT: what a change of the input did to the output, per unit of change.

The forward pass is of pairs, images in the first half of the batch and their references in the second. A function
$f$ of one input passes the multiplier

$$m = \frac{f(z) - f(z')}{z - z'}$$

instead of its derivative, to the image; nothing arrives at the reference, and nothing is passed to it. A linear layer
passes its transpose, which is its multiplier already.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.attribution.drawing import Drawing
from sightline.attribution.rules.activation import ACTIVATIONS
from sightline.attribution.rules.switch import switch
from sightline.errors import UnsupportedOperationError

_OTHERS = """
    sigmoid hardsigmoid log_sigmoid special_expit softplus softsign tanhshrink threshold rrelu
    exp exp2 expm1 log log2 log10 log1p logit sqrt rsqrt square pow rpow reciprocal rdiv abs absolute
    clamp clip clamp_min clamp_max maximum minimum fmax fmin
    sin cos tan sinh cosh asin acos atan asinh acosh atanh arctan arcsinh erf erfc sinc
"""
# Functions of each value alone; in those of two arguments the other one is a constant
ELEMENTWISE = ACTIVATIONS | frozenset(_OTHERS.split())


def rescaled(z: Tensor, function: Callable[[Tensor], Tensor], drawing: Drawing) -> Tensor:
    r"""Apply a function of each value alone; a map passes by the multiplier.

    Where the change is lost in rounding the derivative at the image is passed: where neither $z - z'$ nor
    $f(z) - f(z')$ exceeds $\sqrt{\varepsilon}$ times the larger output, $\varepsilon$ that of the number format.

    Args:
        z: of images and references, `(2 N, ...)`.
        function: $f$.
        drawing: of this forward pass.

    Returns:
        $f(z)$.

    Raises:
        UnsupportedOperationError: the first axis does not hold pairs; later, if so seen in the backward pass.

    Reference:
        Shrikumar et al. 2017, arXiv:1704.02685, eq. 2 and section 3.5.2.
    """
    if not z.ndim or len(z) % 2:
        raise _refusal()
    y = function(z)
    if y.shape != z.shape:  # a constant larger than the values: passed by its gradient
        return y

    def rule(c: Tensor, z: Tensor, y: Tensor) -> tuple[Tensor]:
        keep_graph = torch.is_grad_enabled()
        image, reference = z.chunk(2)
        (top, bottom), c = y.chunk(2), _image_half(c)
        change_in, change_out = image - reference, top - bottom
        least = torch.finfo(y.dtype).eps ** 0.5 * torch.maximum(top.abs(), bottom.abs())
        lost = (change_in.abs() <= least) & (change_out.abs() <= least)  # also where nothing changes
        with torch.enable_grad():
            at = image if keep_graph else image.detach().requires_grad_()
            (slope,) = torch.autograd.grad(function(at).sum(), at, create_graph=keep_graph)
        multiplier = torch.where(lost, slope, change_out / change_in.masked_fill(lost, 1))
        return (_for_both(c * multiplier),)

    return switch(y, (z, y), rule, drawing)


def max_pooled(
    func: Callable[..., Any], plain: str, args: tuple[Any, ...], kwargs: dict[str, Any], drawing: Drawing
) -> Tensor | tuple[Tensor, Tensor]:
    r"""Pool by the maximum; one place of each window passes the whole change of the maximum.

    Where the maximum rises, $\max x \ge \max x'$, that is the place $w$ of the image's maximum, otherwise that of the
    reference's, and its multiplier is $(\max x - \max x') / (x_w - x'_w)$. The denominator has the numerator's sign and
    at least its size, so the multiplier lies in [0, 1], and contributions sum to the change of the maximum. Where
    $x_w = x'_w$ it is 1, the gradient.

    Args:
        func: of torch.
        plain: its name, a max pooling of images and references, `(2 N, C, *S)`.
        args: of the call.
        kwargs: of the call.
        drawing: of this forward pass.

    Returns:
        The maxima, and their places where the call asks for them.

    Reference:
        The paper gives no rule; its authors' code passes the gradient, whose contributions do not sum to the change.
        Ours is, where windows do not overlap, that of the packages shap and captum.
    """
    base = plain.removesuffix("_with_indices")
    axes = int(base[-2])  # max_pool2d
    x: Tensor = args[0] if args else kwargs["input"]
    y, indices = getattr(F, f"{base}_with_indices")(*args, **kwargs)
    if len(x) % 2:
        raise _refusal()

    def rule(c: Tensor, x: Tensor) -> tuple[Tensor]:
        image, reference = x.flatten(-axes).chunk(2)
        of_image, of_reference = indices.flatten(-axes).chunk(2)
        change_out = image.gather(-1, of_image) - reference.gather(-1, of_reference)
        places = torch.where(change_out >= 0, of_image, of_reference)
        change_in = (image - reference).gather(-1, places)
        same = change_in == 0
        multiplier = torch.where(same, 1, change_out / change_in.masked_fill(same, 1))
        passed = _image_half(c).flatten(-axes) * multiplier
        return (_for_both(torch.zeros_like(image).scatter_add(-1, places, passed)).view_as(x),)

    y = switch(y, (x,), rule, drawing)
    return (y, indices) if plain != base or func is torch.adaptive_max_pool1d else y


def _image_half(c: Tensor) -> Tensor:
    image, reference = c.chunk(2)
    if (reference.abs() > 0).any():
        raise _refusal()
    return image


def _for_both(c: Tensor) -> Tensor:
    return torch.cat([c, torch.zeros_like(c)])


def _refusal() -> UnsupportedOperationError:
    return UnsupportedOperationError(
        "DeepLIFT compares each image with its reference along the first axis, but the model has the batch on another "
        "axis, or mixes its samples, at an activation or max pooling; put the batch first, or use another explainer"
    )
