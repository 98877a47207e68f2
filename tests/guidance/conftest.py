"""A model whose maps are given, so that losses can be worked out by hand."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import Explainer, Target
from sightline.types import Explanation


@dataclass(frozen=True)
class Painted(Explainer):
    """Shows for class k the k-th of the painted maps, `(N, K, C, *S)`, and of the relevance before its channels."""

    maps: Tensor
    hidden: tuple[Tensor, ...] = ()

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        logits = model(images)
        selection = target.select(logits)
        if selection.every:
            return Explanation(logits, self.maps, hidden=self.hidden)
        chosen = torch.arange(len(images)), selection.classes
        hidden = tuple(relevance[chosen] for relevance in self.hidden)
        return Explanation(logits, self.maps[chosen], selection.classes, hidden)


class Fixed(nn.Module):
    """Answers with the same logits to every image."""

    def __init__(self, logits: tuple[float, ...]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, images: Tensor) -> Tensor:
        return self.logits.expand(len(images), -1)


@pytest.fixture
def painted() -> type[Painted]:
    return Painted


@pytest.fixture
def fixed() -> type[Fixed]:
    return Fixed
