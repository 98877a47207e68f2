"""What every guidance promises, those that are written tomorrow too: soft regions such as gaze, missing ones, order."""

import re
from collections import OrderedDict
from collections.abc import Iterator
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution.explainer import evaluation_mode
from sightline.errors import ShapeError, SightlineError
from sightline.guidance import Guidance
from sightline.models import ModelSettings, build_model, model_names
from sightline.types import Answer, Guided

CLASSES = 3
GUIDANCES = [kind for kind in Guidance.__subclasses__() if kind.__module__.startswith("sightline.")]


class Small(nn.Module):
    """A classifier by the mean of its features, with a decoder of one map."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(conv=nn.Conv2d(3, 6, 3, stride=2, padding=1), norm=nn.BatchNorm2d(6), relu=nn.ReLU())
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(6, CLASSES)
        self.decoder = nn.Conv2d(6, 1, 1)

    def answer(self, images: Tensor) -> Answer:
        features = self.features(images)
        return Answer(self.classifier(self.pool(features).flatten(1)), self.decoder(features))

    def forward(self, images: Tensor) -> Tensor:
        return self.answer(images).logits


def some_models() -> Iterator[nn.Module]:
    """A small model, then the first of each of our families of models, narrow."""
    yield small()
    families = {re.match("[a-z]+", name).group(): name for name in reversed(model_names())}  # type: ignore[union-attr]
    for name in families.values():
        model = ours(name)
        if model is not None:
            yield model


@cache
def small() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Small()


@cache
def ours(name: str) -> nn.Module | None:
    """None if it wants another width or more channels."""
    try:
        return build_model(ModelSettings(name, width=8), num_classes=CLASSES, seed=0)
    except SightlineError:
        return None


@cache
def model_for(kind: type[Guidance]) -> tuple[nn.Module | None, str]:
    """Return the first model that a guidance with default settings takes, or why it took none."""
    refusals: dict[str, None] = {}
    for model in some_models():
        try:
            guided(kind(), model, *batch())
        except SightlineError as error:
            refusals[str(error).splitlines()[0]] = None
        else:
            return model, ""
    return None, next(reversed(refusals))


def batch(count: int = 4, maps: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Images, labels, and regions that are soft as gaze is: between 0 and 1, and 1 somewhere."""
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(count, 3, 64, 64, generator=generator)
    labels = torch.arange(count) % CLASSES
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    middles = torch.randint(16, 48, (count, maps, 2, 1, 1), generator=generator)
    regions = torch.exp(-((y - middles[:, :, 0]) ** 2 + (x - middles[:, :, 1]) ** 2) / (2 * 12**2))
    return images, labels, regions.clamp(0.001, 0.999)


def guided(guidance: Guidance, model: nn.Module, *arguments: Tensor, training: bool = False) -> Guided:
    """Guide in evaluation mode unless in training; the same random numbers each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if not training:
            with evaluation_mode(model, guidance):
                answered: Guided = guidance(model, *arguments)
                return answered
        model.train()
        answered = guidance(model, *arguments)
        model.eval()
        return answered


@pytest.fixture(params=GUIDANCES, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[Guidance]:
    """A guidance that takes one of our models with its default settings."""
    kind: type[Guidance] = request.param
    model, reason = model_for(kind)
    if model is None:
        pytest.skip(f"with its default settings it takes none of our models: {reason}")
    return kind


@pytest.fixture
def model(kind: type[Guidance]) -> nn.Module:
    model, _ = model_for(kind)
    assert model is not None
    return model


@pytest.mark.parametrize("maps", [1, CLASSES])
def test_soft_regions_give_a_finite_loss_and_gradient(kind: type[Guidance], model: nn.Module, maps: int) -> None:
    guidance = kind()
    try:
        result = guided(guidance, model, *batch(maps=maps), training=True)
    except ShapeError as error:
        if maps == 1:
            raise
        pytest.skip(f"it takes one region an image: {error}")
    assert result.loss.isfinite()
    assert result.logits.shape == (4, CLASSES)
    weights = [weight for weight in (*model.parameters(), *guidance.parameters()) if weight.requires_grad]
    gradients = [g for g in torch.autograd.grad(result.loss, weights, allow_unused=True) if g is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.any() for gradient in gradients)
    assert "classification" in result.parts
    assert not any(part.requires_grad or part.ndim for part in result.parts.values())


def test_unknown_regions_leave_loss_and_gradient_finite(kind: type[Guidance], model: nn.Module) -> None:
    images, labels, regions = batch()
    for unknown in ([0], [0, 1, 2, 3]):
        missing = regions.clone()
        missing[unknown] = torch.nan
        guidance = kind()
        result = guided(guidance, model, images, labels, missing, training=True)
        assert result.loss.isfinite()
        weights = [weight for weight in (*model.parameters(), *guidance.parameters()) if weight.requires_grad]
        if result.loss.requires_grad:
            gradients = torch.autograd.grad(result.loss, weights, allow_unused=True)
            assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None)


def test_an_image_whose_region_is_unknown_weighs_nothing(kind: type[Guidance], model: nn.Module) -> None:
    """What is measured by the regions is as if the image were not there."""
    images, labels, regions = batch()
    measured = by_regions(kind, model, images, labels, regions)
    missing = regions.clone()
    missing[3] = torch.nan
    with_it = guided(kind(), model, images, labels, missing).parts
    without = guided(kind(), model, images[:3], labels[:3], regions[:3]).parts
    for name in measured:
        torch.testing.assert_close(
            with_it[name], without[name], rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_the_order_of_the_images_does_not_matter(kind: type[Guidance], model: nn.Module) -> None:
    images, labels, regions = batch()
    if draws(kind()):
        pytest.skip("it explains classes drawn by the place in the batch")
    order = torch.tensor([2, 0, 3, 1])
    result = guided(kind(), model, images, labels, regions)
    moved = guided(kind(), model, images[order], labels[order], regions[order])
    torch.testing.assert_close(moved.logits, result.logits[order])
    torch.testing.assert_close(moved.loss, result.loss, rtol=1e-4, atol=1e-6)
    for name, part in result.parts.items():
        torch.testing.assert_close(moved.parts[name], part, rtol=1e-4, atol=1e-6, equal_nan=True)


def draws(guidance: Guidance) -> bool:
    """Whether it has random numbers of its own, and uses them."""
    return type(getattr(guidance, "target", None)).__name__ == "RandomClass"


def by_regions(kind: type[Guidance], model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> list[str]:
    """Names of the parts that other regions would change."""
    one = guided(kind(), model, images, labels, regions).parts
    other = guided(kind(), model, images, labels, 1 - regions).parts
    return [name for name in one if not torch.equal(one[name], other[name])]
