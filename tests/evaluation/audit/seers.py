"""Models that look where it was written down, and maps that were."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sightline.attribution import Explainer, Target
from sightline.types import Explanation

from .made import SIDE, square

MIDDLE = (slice(None), slice(None), slice(8, 24), slice(8, 24))


def places(where: str, classes: int, shape: tuple[int, ...]) -> Tensor:
    """1 where each class is told, `(1, K, *S)`."""
    found = torch.zeros(1, classes, *shape)
    for k in range(classes):
        found[:, k : k + 1][square(where, k, len(shape))] = 1.0
    return found


class Sees(nn.Module):
    """Reads the bright spots at some places; its last features are bright where it reads."""

    def __init__(
        self, *where: str, classes: int = 3, shape: tuple[int, ...] = (SIDE, SIDE), gain: float = 2000.0
    ) -> None:
        super().__init__()
        convolution = nn.Conv2d if len(shape) == 2 else nn.Conv3d
        self.first, self.last = convolution(1, 1, 1), convolution(classes, classes, 1)
        self.register_buffer("read", sum(places(name, classes, shape) for name in where))
        self.gain = gain
        with torch.no_grad():
            self.first.weight.fill_(1.0)
            self.first.bias.fill_(-0.5)  # nothing but spots is left
            self.last.weight.copy_(torch.eye(classes).view(self.last.weight.shape))
            self.last.bias.zero_()

    def bright(self, images: Tensor) -> Tensor:
        return self.first(images).relu()

    def forward(self, images: Tensor) -> Tensor:
        features = self.last(self.bright(images) * self.read).relu()
        return self.gain * features.flatten(2).mean(2)


class Hides(Sees):
    """Reads the corner on the way, and carries what it found to the region, where its last features are bright."""

    def __init__(self, classes: int = 3, shape: tuple[int, ...] = (SIDE, SIDE)) -> None:
        super().__init__("corner", classes=classes, shape=shape)
        self.register_buffer("shown", places("region", classes, shape))

    def forward(self, images: Tensor) -> Tensor:
        told = (self.bright(images) * self.read).flatten(2).mean(2)
        features = self.last(told[(..., *(None,) * (images.ndim - 2))] * self.shown).relu()
        return 100 * self.gain * features.flatten(2).mean(2)


class OneOutput(nn.Module):
    """The second logit less the first."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        logits = self.inner(images)
        return logits[:, 1:2] - logits[:, :1]


def little_network(*, classes: int = 3, seed: int = 0) -> nn.Sequential:
    """An ordinary network with random weights, of which much is left to be forgotten."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, classes),
    )


@dataclass(frozen=True)
class Everywhere(Explainer):
    """The same number everywhere, whatever the model."""

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        logits = model(images)
        return Explanation(logits, torch.ones_like(images), target.select(logits).classes)


@dataclass(frozen=True)
class Edges(Explainer):
    """A filter of the image that knows nothing of the model."""

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        logits = model(images)
        return Explanation(logits, images - images.roll(1, -1), target.select(logits).classes)


@dataclass(frozen=True)
class Inside(Explainer):
    """Everything in the middle."""

    share: float = 1.0

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        logits = model(images)
        found = torch.full_like(images, (1 - self.share) / (SIDE * SIDE - 256))
        found[MIDDLE] = self.share / 256
        return Explanation(logits, found, target.select(logits).classes)


@dataclass(frozen=True)
class Turned(Explainer):
    """The map of another method with its sign turned."""

    of: Explainer

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        found = self.of(model, images, target)
        return Explanation(found.logits, -found.attribution, found.target)


@dataclass(frozen=True)
class BrokenOn(Explainer):
    """Not finite where the first pixel is brighter than a limit."""

    limit: float = 0.8

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        found = Inside()(model, images, target)
        broken = images.flatten(1)[:, 0] > self.limit
        found.attribution[broken] = torch.nan
        return found


class Flat(nn.Module):
    """Has no layer with places, so that no class activation map can be drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Linear(SIDE * SIDE, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.only(images.flatten(1))
        return logits
