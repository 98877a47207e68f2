"""The explanation being drawn, if one is: a small object that every rule of one forward pass holds.

Autograd runs backwards on threads of its own on a GPU, where neither a context variable nor a thread-local of the
caller is seen, and a module global would be shared by models that have nothing to do with each other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from sightline.attribution.composites import Composite

Rectifier = Literal["gradient", "guided", "deconvnet", "rescale"]


@dataclass
class Drawing:
    """Whether the rules of one forward pass answer with the explanation or with the ordinary gradient, and which rules.

    Attributes:
        epsilon: stabiliser of the activations under LRP; None in a pass that explains by the gradient.
        composite: rules of the linear layers under LRP; None passes relevance by their transpose.
        gate: share of relevance that a sigmoid gate takes from the signal it multiplies, under LRP.
        attention: share that attention weights take from the values they add up, under LRP.
        rectifier: what a ReLU lets pass where there is no LRP; `rescale` has rules for other functions too.
        kept: whether the map is to be differentiated. Where it is not, a gradient needs few rules: those of `needed`.
        active: True while the explanation is drawn.
    """

    epsilon: float | None = None
    composite: Composite | None = None
    gate: float = 0.0
    attention: float = 0.5
    rectifier: Rectifier = "gradient"
    kept: bool = True
    active: bool = False

    @property
    def lrp(self) -> bool:
        """Whether relevance is propagated, and not a gradient."""
        return self.epsilon is not None

    @property
    def needed(self) -> frozenset[str] | None:
        """Functions whose rules make a difference to a map that nobody differentiates; None for all."""
        if self.kept or self.lrp or self.rectifier == "rescale":
            return None
        return frozenset({"batch_norm"} if self.rectifier == "gradient" else {"batch_norm", "relu"})

    @contextmanager
    def pencil(self) -> Iterator[None]:
        """Let the rules answer with the explanation until the block ends."""
        self.active = True
        try:
            yield
        finally:
            self.active = False
