"""The scale of a batch normalisation, taken into the weights of the convolution that reads it.

Relevance comes back through the convolution, a ReLU or nothing, and the normalisation: `c = s * (q * (W^T c'))`, where
`s` multiplies channels and the quotient `q` of the ReLU single values. That is `q * ((W s)^T c')`, and a product of
weights takes the place of passes over the activations.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Readers:
    """Who reads a batch normalisation and the ReLU behind it, counted while the model runs.

    It holds nothing of the graph, which holds it.

    Attributes:
        made: what can be read, 1 for the output of the normalisation and 1 for that of each ReLU.
        reads: functions that read one of these.
        takers: convolutions among them that can take the scale.
    """

    made: int = 1
    reads: int = 0
    takers: int = 0

    @property
    def one(self) -> bool:
        """Whether a single convolution reads it all, and takes the scale; known once the forward pass has ended."""
        return self.takers == 1 and self.reads == self.made


@dataclass(frozen=True)
class ScaleAhead:
    """The scale of a batch normalisation that a convolution may take.

    Attributes:
        readers: of the normalisation.
        weight: its weight, `(C,)`, or None for ones.
        inverse: inverse deviation, `(C,)`, on the graph.
    """

    readers: Readers
    weight: Tensor | None
    inverse: Tensor


def scale_of(weight: Tensor | None, inverse: Tensor) -> Tensor:
    """Factor of each channel from the weight and the inverse deviation, `(C,)`."""
    return inverse if weight is None else weight * inverse


def scaled_kernels(kernels: Tensor, weight: Tensor | None, inverse: Tensor) -> Tensor:
    """Multiply kernels, `(out, C, *K)`, by the scale of their input channels; differentiable in all three."""
    scale = scale_of(weight, inverse).to(kernels.dtype)
    return kernels * scale.view(-1, *(1,) * (kernels.ndim - 2))
