"""Operations whose backward pass answers in two ways: with the ordinary gradient, or with the rule being drawn.

Every rule holds the `Drawing` of its forward pass and asks it, in its backward, which answer is wanted. In those that a
training step spends its time in, that answer is itself an `autograd.Function` with a hand-written first-order backward,
so a loss on the map trains the model; the others are compositions of torch operations, which give the same numbers at
about twice the cost.
"""

from sightline.attribution.rules.activation import ACTIVATIONS, activation
from sightline.attribution.rules.convolution import convolution
from sightline.attribution.rules.relu import rectified, relu
from sightline.attribution.rules.rescale import ELEMENTWISE, max_pooled, rescaled
from sightline.attribution.rules.switch import share, switch

__all__ = [
    "ACTIVATIONS",
    "ELEMENTWISE",
    "activation",
    "convolution",
    "max_pooled",
    "rectified",
    "relu",
    "rescaled",
    "share",
    "switch",
]
