r"""Normalisation by an image's own statistics, whose scale is held fixed while relevance passes.

$y = \gamma \odot (x - \bar{x}) / \sigma + \beta$ with $\sigma$ fixed is linear: $c_x = u - \bar{u}$ with
$u = \gamma \odot c_y / \sigma$, the means over what is normalised together. What $\beta$ carries is absorbed.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from sightline.attribution.drawing import Drawing
from sightline.attribution.rules.switch import switch


def centred(
    y: Tensor, x: Tensor, weight: Tensor | None, shape: tuple[int, ...], eps: float, drawing: Drawing
) -> Tensor:
    r"""Pass relevance through a layer, group or instance normalisation.

    Args:
        y: the normalised `x`, any shape.
        x: input.
        weight: $\gamma$, broadcastable to `x`, or None.
        shape: view of `x` whose last axis holds the values that are normalised together.
        eps: added to the variance.
        drawing: of this forward pass.

    Returns:
        `y`.

    Reference:
        Achtibat et al. 2024, arXiv:2402.05602, section 3.3 (layer normalisation with its deviation held fixed).
    """

    def rule(c: Tensor, x: Tensor) -> tuple[Tensor]:
        values = x.reshape(shape)
        inverse = torch.rsqrt(values.var(-1, unbiased=False, keepdim=True) + eps)
        u = (c if weight is None else c * weight).reshape(shape) * inverse
        return ((u - u.mean(-1, keepdim=True)).reshape(x.shape),)

    return switch(y, (x,), rule, drawing)


def scaled(y: Tensor, x: Tensor, factor: Callable[[Tensor], Tensor], drawing: Drawing) -> Tensor:
    """Pass relevance through a normalisation that only scales, as RMS normalisation and division by a norm do.

    Args:
        y: `x * factor(x)`, any shape.
        x: input.
        factor: what `x` is multiplied by; held fixed while relevance passes.
        drawing: of this forward pass.

    Returns:
        `y`.

    Reference:
        Achtibat et al. 2024, arXiv:2402.05602, section 3.3.
    """

    def rule(c: Tensor, x: Tensor) -> tuple[Tensor]:
        return (c * factor(x),)

    return switch(y, (x,), rule, drawing)
