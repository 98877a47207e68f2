"""The ISNet loss on volumes: coarse regions of each class, absent classes, networks that see slices."""

import math
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass
from sightline.errors import DataError
from sightline.guidance import BackgroundRelevance, classification_loss
from sightline.models import ModelSettings, build_model
from sightline.types import Batch

NAN = float("nan")
CLASSES = 3
SIZE = (6, 16, 16)
VARIANTS = ["original", "stochastic", "selective", "dual"]


@pytest.fixture
def network() -> nn.Module:
    return deepcopy(built())


@cache
def built() -> nn.Module:
    """AxialNet with few channels, in float64 and evaluation mode."""
    options = {"size": SIZE, "channels": [5], "padding": 1, "trunk_stages": 2}
    net = build_model(ModelSettings("axialnet", in_channels=1, width=4, options=options), num_classes=CLASSES, seed=0)
    net = net.double()
    net(volumes(4))  # statistics that are not the initial ones
    return net.eval()


def volumes(count: int = 2) -> Tensor:
    return torch.rand(count, 1, *SIZE, generator=torch.Generator().manual_seed(count), dtype=torch.float64)


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Volumes, labels and regions on a grid of 2 x 2 x 2: an organ for the two present classes, else nothing or NaN."""
    labels = torch.tensor([[1.0, 0.0, NAN], [0.0, 1.0, 0.0]], dtype=torch.float64)
    organ = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]], dtype=torch.float64)
    return volumes(), labels, labels[:, :, None, None, None] * organ


def by_hand(regions: Tensor) -> Tensor:
    for axis, (old, new) in enumerate(zip(regions.shape[2:], SIZE, strict=True), 2):
        regions = regions.repeat_interleave(new // old, axis)
    return regions


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("margin", [0.0, 0.13])
def test_coarse_regions_are_as_those_of_the_volume_s_size(network: nn.Module, variant: str, margin: float) -> None:
    images, labels, regions = batch()
    options = {"variant": variant, "margin": margin, "layers": ("features",)}
    coarse, fine = (
        BackgroundRelevance(**options).eval()(network, images, labels, each) for each in (regions, by_hand(regions))
    )
    if margin:  # at layers regions grow in whole places of their grid, here of two or three pixels
        coarse.parts.pop("layers"), fine.parts.pop("layers")
        coarse.parts.pop("first_layer"), fine.parts.pop("first_layer")
    for name, part in fine.parts.items():
        torch.testing.assert_close(coarse.parts[name], part, equal_nan=True, msg=lambda m, n=name: f"{n}: {m}")
    assert fine.parts["background"] > 0


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("where", ["features.trunk.net.conv1.weight", "features.convolutions.0.weight", "head.weight"])
def test_the_gradient_reaches_the_weights_through_the_maps_of_slices(
    network: nn.Module, variant: str, where: str
) -> None:
    images, labels, regions = batch()
    # the seed draws a present class for one volume and an absent one for the other
    guidance = BackgroundRelevance(variant=variant, strength=0.9, least=1.0, most=2.0, tolerance=0.0, seed=2).eval()
    weight = network.get_parameter(where)

    def loss() -> Tensor:
        return guidance(network, images, labels, regions).loss

    (gradient,) = torch.autograd.grad(loss(), weight)
    place, step = int(gradient.abs().argmax()), 1e-7
    with torch.no_grad():
        flat = weight.view(-1)
        flat[place] += step
        above = loss()
        flat[place] -= 2 * step
        below = loss()
    torch.testing.assert_close(gradient.view(-1)[place], (above - below) / (2 * step), rtol=1e-4, atol=1e-6)
    assert gradient.view(-1)[place].abs() > 1e-3


def test_a_map_of_slices_meets_the_region_at_the_layer_that_reads_them(network: nn.Module) -> None:
    """The first layer's relevance of a volume is that of its groups of slices, each beside its part of the region."""
    images, _, regions = batch()
    regions = regions.nan_to_num()
    guidance = BackgroundRelevance(margin=0.0, decay=0.0, tolerance=0.0)
    explanation = guidance.explainer(network, images, Class(0))
    (hidden,) = explanation.hidden
    assert hidden.shape == (2 * 2, 4, 8, 8)
    magnitude = hidden.abs().sum(1).reshape(2, 2, 8, 8)[0]
    inside = F.interpolate(regions[:1, :1], (2, 8, 8))[0, 0] > 0
    expected = torch.log1p(magnitude[~inside].max() / magnitude[inside].mean())
    loss = guidance.first_layer_loss(explanation, regions)  # absent in the second volume, which weighs as 0
    torch.testing.assert_close(loss, expected / 2)


# maps of two classes in two volumes of 2 x 1 x 2; the first slice is the organ of a class that is present
MAPS = torch.tensor([[[1.0, 3.0, -4.0, 0.0], [2.0, -6.0, -1.0, 1.0]], [[-1.0, -1.0, -2.0, 1.0], [5.0, 5.0, 1.0, 1.0]]])
MAPS = MAPS.reshape(2, 2, 1, 2, 1, 2)  # (N, K, C, D, H, W)
PRESENT = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
ORGAN = torch.tensor([1.0, 0.0]).reshape(1, 1, 2, 1, 1)
REGIONS = PRESENT[:, :, None, None, None] * ORGAN
IMAGES, PAINTED = torch.zeros(2, 1, 2, 1, 2), {"margin": 0.0, "decay": 0.0, "tolerance": 0.0, "first_layer_weight": 0.0}
Guide = Callable[..., BackgroundRelevance]


@pytest.fixture
def guide(painted: Callable[..., Any]) -> Guide:
    def make(maps: Tensor = MAPS, *hidden: Tensor, **options: Any) -> BackgroundRelevance:
        return BackgroundRelevance(explainer=painted(maps, hidden), **{**PAINTED, "variant": "original", **options})

    return make


@pytest.fixture
def model(fixed: Callable[[tuple[float, ...]], nn.Module]) -> nn.Module:
    return fixed((0.3, -0.2))


def test_an_absent_class_costs_what_speaks_for_it_and_has_no_foreground(guide: Guide, model: nn.Module) -> None:
    parts = guide(least=6.0, most=9.0, excess="quadratic")(model, IMAGES, PRESENT, REGIONS).parts
    present = math.log1p(4 / 2), math.log1p(1 / 5)  # worst outside over the mean inside
    absent = math.log1p(3 / 10), math.log1p(1 / 5)  # what speaks for the class of all
    torch.testing.assert_close(parts["background"].item(), (sum(present) + sum(absent)) / 4)
    torch.testing.assert_close(parts["foreground"].item(), ((1 - 4 / 6) ** 2 + (10 - 9) ** 2 + 0 + 0) / 4)
    torch.testing.assert_close(parts["outside"].item(), (4 / 8 + 2 / 12) / 2)  # of the present ones


def test_where_all_is_absent_the_loss_is_what_speaks_for_the_classes(guide: Guide, model: nn.Module) -> None:
    guidance = guide(goal=0.1)
    strength = guidance.strength
    guided = guidance(model, IMAGES, 0 * PRESENT, 0 * REGIONS)
    shares = torch.tensor([4 / 8, 3 / 10, 1 / 5, 1.0])
    torch.testing.assert_close(guided.parts["background"], shares.log1p().mean())
    assert guided.parts["foreground"] == 0
    assert guided.parts["outside"].isnan()
    assert guidance.strength == strength
    classification = classification_loss(model(IMAGES), 0 * PRESENT)
    torch.testing.assert_close(guided.loss, 0.5 * classification + 0.5 * guided.parts["background"])


def test_relevance_without_its_sign_says_nothing_of_an_absent_class(guide: Guide, model: nn.Module) -> None:
    hidden = torch.stack([MAPS[:, :, 0], -2 * MAPS[:, :, 0]], 2)  # |R| is three times that of the maps
    parts = guide(MAPS, hidden, first_layer_weight=1.0)(model, IMAGES, PRESENT, REGIONS).parts
    torch.testing.assert_close(parts["first_layer"].item(), (math.log1p(4 / 2) + math.log1p(1 / 5)) / 4)


def test_the_dual_maps_of_a_volume_without_any_finding_weigh_nothing(network: nn.Module) -> None:
    images, labels, regions = batch()
    regions = regions.nan_to_num()
    regions[1] = 0
    guidance = BackgroundRelevance(variant="dual").eval()
    both = guidance(network, images, labels, regions).parts
    first = guidance(network, images[:1], labels[:1], regions[:1]).parts
    for name in ("background", "foreground", "outside", "first_layer"):
        torch.testing.assert_close(both[name], first[name])


def test_ranges_are_measured_where_something_is_allowed(guide: Guide, model: nn.Module) -> None:
    guidance = guide()
    assert guidance.calibrate(model, [Batch(IMAGES, PRESENT, REGIONS, ("a", "b"))]) == (4, 10)
    with pytest.raises(DataError, match="calibration needs a batch with a known region"):
        guide().calibrate(model, [Batch(IMAGES, PRESENT, 0 * REGIONS, ("a", "b"))])
    warming = guide(warm_up=1)
    warming(model, IMAGES, PRESENT, REGIONS)
    assert warming.ranges["map"].count == 2


def test_the_mean_over_all_classes_is_the_original_with_absent_ones_too(network: nn.Module) -> None:
    images, _, regions = batch()
    regions = regions.nan_to_num()
    guidance = BackgroundRelevance()
    single = [guidance.explainer(network, images, Class(k)) for k in range(CLASSES)]
    every = guidance.explainer(network, images, EveryClass())
    losses = torch.stack([torch.stack(guidance.heatmap_losses(each, regions)[:2]) for each in single]).mean(0)
    torch.testing.assert_close(losses, torch.stack(guidance.heatmap_losses(every, regions)[:2]))
    first = torch.stack([guidance.first_layer_loss(each, regions) for each in single]).mean()
    torch.testing.assert_close(first, guidance.first_layer_loss(every, regions))
