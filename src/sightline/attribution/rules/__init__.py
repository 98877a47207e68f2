"""Operations whose backward pass answers in two ways: with the ordinary gradient, or with the rule being drawn.

Every rule holds the `Drawing` of its forward pass and asks it, in its backward, which answer is wanted. What it answers
while an explanation is drawn is itself an `autograd.Function` with a hand-written first-order backward, so a loss on
the map trains the model; compositions of torch operations would give the same numbers at about twice the cost.
"""

from sightline.attribution.rules.batch_norm import batch_norm, channel_scale
from sightline.attribution.rules.convolution import convolution
from sightline.attribution.rules.relu import relu

__all__ = ["batch_norm", "channel_scale", "convolution", "relu"]
