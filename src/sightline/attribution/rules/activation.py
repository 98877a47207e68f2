r"""Activations other than ReLU under LRP.

An activation with $f(0) = 0$ has one input for each output, so the relevance of the output is that of the input:
$a \odot c_a = z \odot c_z$, that is $c_z = c_a f(z) / z$.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from sightline.attribution.drawing import Drawing
from sightline.attribution.rules.switch import switch

_ACTIVATIONS = """
    relu relu6 hardtanh leaky_relu prelu elu celu selu gelu silu hardswish mish tanh softshrink hardshrink
"""
ACTIVATIONS = frozenset(_ACTIVATIONS.split())


def activation(z: Tensor, function: Callable[[Tensor], Tensor], drawing: Drawing) -> Tensor:
    r"""Apply an activation; relevance passes undiminished, but for what epsilon absorbs.

    Args:
        z: pre-activation, any shape.
        function: $f$, with $f(0) = 0$.
        drawing: of this forward pass; its epsilon stabilises the quotient.

    Returns:
        $f(z)$.

    Reference:
        Bach et al. 2015, doi:10.1371/journal.pone.0130140, eq. 58; Achtibat et al. 2024, arXiv:2402.05602, section 3.3
        (the identity rule).
    """

    def rule(c: Tensor, z: Tensor) -> tuple[Tensor]:
        least = torch.finfo(z.dtype).eps
        z = torch.where(z.abs() < least, torch.copysign(z.new_tensor(least), z), z)  # for f(z) / z at 0
        return (c * (function(z) / (z + torch.copysign(z.new_tensor(drawing.epsilon or 0.0), z))),)

    return switch(function(z), (z,), rule, drawing)
