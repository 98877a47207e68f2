r"""What the dual ISNet explains: all logits together, once by LRP-$\epsilon$ and once by LRP-$z^+$."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sightline.attribution import CompositeLRP, Target
from sightline.attribution.composites import Composite, InputRule, ZPlus
from sightline.attribution.targets import Selection


@dataclass(frozen=True)
class AllLogits(Target):
    r"""The sum of all logits, $\sum_k y_k$, or of their magnitudes.

    Args:
        magnitude: $\sum_k |y_k|$, whose relevance has no sign to cancel by under a rule of positive shares.

    Reference:
        Bassi et al. 2024, doi:10.1109/ACCESS.2024.3462781 (dual ISNet).
    """

    magnitude: bool = False

    def select(self, logits: Tensor) -> Selection:
        """Return one score an image."""

        def scores(logits: Tensor, rows: Tensor) -> Tensor:
            return (logits.abs() if self.magnitude else logits).sum(1)[None]

        return Selection(scores(logits, torch.arange(len(logits), device=logits.device)), again=scores)


def positive_lrp(*, epsilon: float, input_rule: InputRule | None, layers: tuple[str, ...] = ()) -> CompositeLRP:
    r"""LRP by the $z^+$ rule in every layer but the first.

    Args:
        epsilon: stabiliser of the shares.
        input_rule: of the first layer.
        layers: whose relevance is wanted too.
    """
    rule = ZPlus(epsilon)
    return CompositeLRP(Composite(rule, rule, first=input_rule), layers=layers)
