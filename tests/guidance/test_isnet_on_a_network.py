"""The ISNet loss on a network with convolutions, batch normalisation and pooling, in float64."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class, EveryClass
from sightline.errors import DataError
from sightline.guidance import BackgroundRelevance, classification_loss
from sightline.types import Batch

NAN = float("nan")


@pytest.fixture
def network() -> nn.Module:
    """A small network with batch normalisation, in float64 and evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        net = nn.Sequential(
            *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, 3)),
        ).double()
        net(torch.rand(8, 1, 8, 8, dtype=torch.float64))  # statistics that are not the initial ones
    return net.eval()


def drawn() -> tuple[Tensor, Tensor, Tensor]:
    """Images, labels and regions for the network."""
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(4, 1, 8, 8, generator=generator, dtype=torch.float64)
    regions = torch.zeros(4, 1, 8, 8, dtype=torch.float64)
    regions[:, :, 2:6, 1:7] = 1
    return images, torch.tensor([0, 1, 2, 1]), regions


def test_the_original_is_the_mean_over_single_classes(network: nn.Module) -> None:
    images, _, regions = drawn()
    guidance = BackgroundRelevance(variant="original")
    every = guidance.heatmap_losses(guidance.explainer(network, images, EveryClass()), regions)
    single = [guidance.heatmap_losses(guidance.explainer(network, images, Class(k)), regions) for k in range(3)]
    for part, parts in zip(every, zip(*single, strict=True), strict=True):
        torch.testing.assert_close(part, torch.stack(parts).mean())


@pytest.mark.parametrize("variant", ["original", "stochastic", "selective"])
@pytest.mark.parametrize("where", ["0.weight", "1.bias", "4.weight", "8.weight"])
def test_the_gradient_reaches_the_weights_through_the_map(network: nn.Module, variant: str, where: str) -> None:
    images, labels, regions = drawn()
    guidance = BackgroundRelevance(variant=variant, strength=0.9, decay=0.8, least=30.0, most=40.0).eval()
    weight = network.get_parameter(where)

    def loss() -> Tensor:
        return guidance(network, images, labels, regions).loss

    value = loss()
    assert value.dtype == torch.float64
    (gradient,) = torch.autograd.grad(value, weight)
    place = int(gradient.abs().argmax())
    with torch.no_grad():
        flat, step = weight.view(-1), 1e-6
        flat[place] += step
        above = loss()
        flat[place] -= 2 * step
        below = loss()
    torch.testing.assert_close(gradient.view(-1)[place], (above - below) / (2 * step), rtol=1e-5, atol=1e-8)
    (plain,) = torch.autograd.grad(classification_loss(network(images), labels), weight)
    assert abs(gradient.view(-1)[place]) > 2 * abs(0.1 * plain.view(-1)[place])


def test_sums_over_a_map_keep_their_digits_under_bfloat16(network: nn.Module) -> None:
    images, labels, regions = (part.float() if part.is_floating_point() else part for part in drawn())
    network, guidance = network.float(), BackgroundRelevance(variant="original", decay=0.9, least=30.0, most=40.0)
    regions = F.interpolate(regions, (64, 64))
    images = F.interpolate(images, (64, 64))
    with torch.autocast("cpu", torch.bfloat16):
        explanation = guidance.explainer(network, images, EveryClass())
        guided = guidance.eval()(network, images, labels, regions)
    background, foreground, outside = guidance.heatmap_losses(explanation, regions)
    assert guided.loss.dtype == torch.float32
    torch.testing.assert_close(guided.parts["background"], background.detach(), rtol=1e-6, atol=0)
    torch.testing.assert_close(guided.parts["foreground"], foreground.detach(), rtol=1e-6, atol=0)
    torch.testing.assert_close(guided.parts["outside"], outside.detach(), rtol=1e-6, atol=0)


def as_batches(*, known: bool = True) -> Iterator[Batch]:
    images, labels, regions = drawn()
    regions[1] = NAN
    for half in (slice(0, 2), slice(2, 4)):
        yield Batch(images[half], labels[half], regions[half] if known else regions[half] * NAN, ("a", "b"))


def test_calibration_finds_the_least_and_greatest_sum_inside(network: nn.Module) -> None:
    images, _, regions = drawn()
    guidance = BackgroundRelevance()
    maps = LRP()(network, images, EveryClass()).attribution.detach()
    inside = (maps.abs() * regions.unsqueeze(1)).sum((2, 3, 4))[[0, 2, 3]]  # the second image has no region
    least, most = guidance.calibrate(network, as_batches())
    assert (least, most) == guidance.range_of("map")
    assert least == pytest.approx(float(inside.min()))
    assert most == pytest.approx(float(inside.max()))


def test_calibration_leaves_the_model_as_it_was(network: nn.Module) -> None:
    network.train()
    network[1].eval()  # frozen statistics
    modes = [module.training for module in network.modules()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    guidance = BackgroundRelevance()
    draws = guidance.generator.get_state()
    guidance.calibrate(network, as_batches())
    with pytest.raises(DataError, match="known region"):
        guidance.calibrate(network, as_batches(known=False))
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())
    assert torch.equal(guidance.generator.get_state(), draws)


def test_calibration_needs_batches(network: nn.Module) -> None:
    with pytest.raises(DataError, match="calibration needs a batch with a known region"):
        BackgroundRelevance().calibrate(network, [])
