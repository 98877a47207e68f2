"""What the ISNet loss has beyond one map of LRP: two maps, maps at depths, another map, a warm-up."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import LRP, CompositeLRP, EveryClass, Explainer, GradientTimesInput, Target
from sightline.errors import DataError, ShapeError
from sightline.guidance import BackgroundRelevance, classification_loss
from sightline.guidance.dual import AllLogits
from sightline.types import Batch, Explanation

NAN = float("nan")
IMAGES = torch.zeros(2, 1, 2, 2)
LABELS = torch.tensor([0, 2])
TOP = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).expand(2, 1, 2, 2)
PAPER = {
    "strength": 0.7,
    "least": 1.0,
    "most": 25.0,
    "tolerance": 0.0,
    "excess": "quadratic",
    "decay": 0.0,
    "margin": 0.0,
}


@dataclass(frozen=True)
class Shown(Explainer):
    """Shows one map an image, whatever the target, and the relevance of layers."""

    maps: Tensor
    layers: dict[str, Tensor]

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        return Explanation(model(images), self.maps, None, layers=self.layers)


def painted(*rows: tuple[tuple[float, float], tuple[float, float]]) -> Tensor:
    return torch.tensor(rows).unsqueeze(1)


# worst outside over the mean inside: 1 and 3; sums inside 4 and 0.5
FIRST = painted(((2.0, 2.0), (0.0, -2.0)), ((0.25, 0.25), (0.75, 0.0)))
# 0 and 1; sums inside 2 and 40
SECOND = painted(((1.0, 1.0), (0.0, 0.0)), ((20.0, 20.0), (0.0, 20.0)))


@pytest.fixture
def model(fixed: Callable[[tuple[float, ...]], nn.Module]) -> nn.Module:
    return fixed((0.3, -0.2, 0.1))


def dual(first: Tensor = FIRST, second: Tensor = SECOND, **options: Any) -> BackgroundRelevance:
    guidance = BackgroundRelevance(variant="dual", explainer=Shown(first, {}), **{**PAPER, **options})
    guidance.positive = Shown(second, {})
    return guidance


def test_the_dual_loss_is_the_mean_over_its_two_maps(model: nn.Module) -> None:
    guided = dual()(model, IMAGES, LABELS, TOP)
    background = (math.log(2) + math.log(4) + 0 + math.log(2)) / 4
    foreground = (0 + 0.5**2 + 0 + 15**2) / 4
    assert guided.parts["background"].item() == pytest.approx(background)
    assert guided.parts["foreground"].item() == pytest.approx(foreground)
    assert guided.parts["outside"].item() == pytest.approx((2 / 6 + 0.75 / 1.25 + 0 + 20 / 60) / 4)
    expected = 0.3 * classification_loss(model(IMAGES), LABELS) + 0.7 * (background + 3 * foreground)
    torch.testing.assert_close(guided.loss, expected)


def test_each_of_the_two_maps_has_its_own_range(model: nn.Module) -> None:
    guidance = dual()
    guidance.calibrate(model, [Batch(IMAGES, LABELS, TOP, ("a", "b"))])
    assert guidance.range_of("map") == (0.5, 4.0)
    assert guidance.range_of("positive") == (2.0, 40.0)
    assert guidance(model, IMAGES, LABELS, TOP).parts["foreground"] == 0


def test_all_classes_together_may_look_where_any_of_them_may(model: nn.Module) -> None:
    regions = torch.zeros(2, 3, 2, 2)
    regions[:, 1, 0, 0] = regions[:, 2, 0, 1] = 1
    each = dual()(model, IMAGES, LABELS, regions).parts
    common = dual()(model, IMAGES, LABELS, TOP).parts
    assert each == common
    regions[1, 0] = NAN  # a class of which nobody knows may look anywhere
    known = dual()(model, IMAGES, LABELS, regions).parts
    assert known["background"].item() == pytest.approx(math.log(2) / 2)
    with pytest.raises(ShapeError, match="one for all or one for each of 3 classes, got 2"):
        dual()(model, IMAGES, LABELS, regions[:, 1:])


def deep(layers: dict[str, Tensor], **options: Any) -> BackgroundRelevance:
    explainer = Shown(FIRST, layers)
    return BackgroundRelevance(variant="original", explainer=explainer, **{**PAPER, **options})


# two channels: |R| is 6 outside, and 4 and 2 inside: mean 3, sum 6
HIDDEN = torch.tensor([[[3.0, 2.0], [3.0, 0.0]], [[-1.0, 0.0], [-3.0, 0.0]]]).expand(2, 2, 2, 2)
COARSE = torch.tensor([5.0, -7.0]).reshape(1, 2, 1, 1).expand(2, 2, 1, 1)  # one place, which touches the region


def test_depths_are_penalised_by_their_mean(model: nn.Module) -> None:
    guided = deep({"a": HIDDEN, "b": COARSE}, most=10.0)(model, IMAGES, LABELS, TOP)
    own = guided.parts["background"] + 3 * guided.parts["foreground"]
    layers = [math.log(1 + 6 / 3), 3 * 2.0**2]  # the sum inside is 6, and 12 where 10 is the most
    assert guided.parts["layers"].item() == pytest.approx(sum(layers) / 2)
    expected = 0.3 * guided.parts["classification"] + 0.7 * (own + sum(layers)) / 3
    torch.testing.assert_close(guided.loss.detach(), expected)


def test_depths_have_ranges_of_their_own(model: nn.Module) -> None:
    guidance = deep({"a": HIDDEN, "b": COARSE})
    guidance.calibrate(model, [Batch(IMAGES, LABELS, TOP, ("a", "b"))])
    assert [guidance.range_of(name) for name in ("map", "map/a", "map/b")] == [(0.5, 4.0), (6.0, 6.0), (12.0, 12.0)]
    assert guidance(model, IMAGES, LABELS, TOP).parts["layers"].item() == pytest.approx(math.log(3) / 2)


def test_a_full_region_costs_nothing_at_any_depth(model: nn.Module) -> None:
    guided = deep({"a": HIDDEN, "b": COARSE}, least=0.1)(model, IMAGES, LABELS, torch.ones(2, 1, 2, 2))
    assert guided.parts["background"] == guided.parts["layers"] == 0


def test_a_depth_is_not_penalised_where_the_region_is_unknown(model: nn.Module) -> None:
    regions, hidden = TOP.clone(), HIDDEN.clone()
    regions[1], hidden[1] = NAN, 100 * hidden[1]
    assert deep({"a": hidden})(model, IMAGES, LABELS, regions).parts["layers"].item() == pytest.approx(math.log(3))


def small_network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        net = nn.Sequential(
            *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, 3)),
        ).double()
        net(torch.rand(8, 1, 8, 8, dtype=torch.float64))
    return net.eval()


def drawn() -> tuple[Tensor, Tensor, Tensor]:
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    regions = torch.zeros(4, 1, 8, 8, dtype=torch.float64)
    regions[:, :, 2:6, 1:7] = 1
    return images, torch.tensor([0, 1, 2, 1]), regions


KINDS: dict[str, dict[str, Any]] = {
    "dual": {"variant": "dual"},
    "deep": {"variant": "original", "layers": "auto", "layer_decay": 0.8},
    "deep dual": {"variant": "dual", "layers": ("5", "2"), "layer_weights": (1.0, 0.5)},
    "deep stochastic": {"layers": ("2",)},
    "gradient x input": {"variant": "original", "explanation": "gradient_x_input"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["0.weight", "1.bias", "4.weight", "8.weight"])
def test_the_gradient_is_that_of_the_loss(kind: str, where: str) -> None:
    network, (images, labels, regions) = small_network(), drawn()
    options = {"strength": 0.9, "pooled_share": 0.2, "least": 30.0, "most": 40.0, "tolerance": 0.0}
    guidance = BackgroundRelevance(**options, **KINDS[kind]).eval()
    weight = network.get_parameter(where)

    def loss() -> Tensor:
        return guidance(network, images, labels, regions).loss

    (gradient,) = torch.autograd.grad(loss(), weight)
    place = int(gradient.abs().argmax())
    with torch.no_grad():
        flat, step = weight.view(-1), 1e-6
        flat[place] += step
        above = loss()
        flat[place] -= 2 * step
        below = loss()
    torch.testing.assert_close(gradient.view(-1)[place], (above - below) / (2 * step), rtol=1e-5, atol=1e-8)


def test_the_settings_choose_the_explanation() -> None:
    assert BackgroundRelevance().explainer == LRP()
    assert BackgroundRelevance(explanation="gradient_x_input").explainer == GradientTimesInput()
    network, (images, labels, regions) = small_network(), drawn()
    parts = BackgroundRelevance(variant="original", explanation="gradient_x_input")(
        network, images, labels, regions
    ).parts
    maps = GradientTimesInput()(network, images, EveryClass()).attribution
    outside = (maps.abs().sum(2) * (1 - regions)).sum((2, 3)) / maps.abs().sum((2, 3, 4))
    torch.testing.assert_close(parts["outside"], outside.mean())
    assert "first_layer" not in parts


def test_layers_are_found_and_watched_by_both_maps() -> None:
    network, (images, labels, regions) = small_network(), drawn()
    guidance = BackgroundRelevance(variant="dual", layers="auto", input_rule=None)
    guidance(network, images, labels, regions)
    assert isinstance(guidance.positive, CompositeLRP)
    assert guidance.positive.layers == guidance.explainer.layers == ("5", "6")


def test_the_second_map_of_the_dual_variant_moves_no_statistics() -> None:
    network, (images, labels, regions) = small_network().train(), drawn()
    other = small_network().train()
    guided = BackgroundRelevance(variant="dual")(network, images, labels, regions)
    torch.testing.assert_close(guided.logits, other(images))
    for name, value in network.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
    guided.loss.backward()
    assert all(weight.grad.isfinite().all() for weight in network.parameters())


def test_two_maps_are_those_of_all_logits() -> None:
    network, (images, _, _) = small_network(), drawn()
    guidance = BackgroundRelevance(variant="dual")
    found = guidance.explain(network, images, guidance.target)
    torch.testing.assert_close(found["map"].attribution, LRP()(network, images, AllLogits()).attribution)
    assert (found["positive"].attribution >= 0).all()
    sums = found["positive"].attribution.sum((1, 2, 3))
    assert (sums < network(images).abs().sum(1)).all()  # less what positive biases and epsilon absorb
    assert (sums > 0).all()


def warmed(**options: Any) -> BackgroundRelevance:
    return BackgroundRelevance(**{"variant": "original", "warm_up": 10, **options})


def steps(guidance: BackgroundRelevance, network: nn.Module, count: int) -> Iterator[dict[str, Tensor]]:
    images, labels, regions = drawn()
    for _ in range(count):
        yield guidance(network, images, labels, regions).parts


def test_only_the_classification_trains_in_the_warm_up() -> None:
    network, (images, labels, regions) = small_network(), drawn()
    guidance = warmed(strength=0.6)
    for _ in range(10):
        guided = guidance(network, images, labels, regions)
        torch.testing.assert_close(guided.loss, 0.4 * classification_loss(network(images), labels))
        assert guided.parts.keys() == {"classification"}
    assert "background" in guidance(network, images, labels, regions).parts


def test_the_range_is_measured_in_its_last_fifth() -> None:
    network, (images, labels, regions) = small_network(), drawn()
    guidance = warmed()
    regions[1] = NAN
    for step in range(10):
        guidance(network, images, labels, regions)
        assert (guidance.range_of("map") == (0.3, 8.0)) == (step < 9)
    maps = LRP()(network, images, EveryClass()).attribution.detach()
    inside = (maps.abs() * regions.unsqueeze(1)).sum((2, 3, 4))[[0, 2, 3]]
    mean = float(inside.mean())
    assert guidance.ranges["map"].count == 2 * inside.numel()
    values = torch.cat([inside, inside])
    least = max(mean / 5, mean - 3 * float(values.std()))
    assert guidance.range_of("map") == pytest.approx((least, min(25 * least, mean + 3 * float(values.std()))))
    parts = guidance(network, images, labels, regions).parts
    assert (parts["least"].item(), parts["most"].item()) == pytest.approx(guidance.range_of("map"))


def test_validating_neither_counts_nor_measures_and_has_the_whole_loss() -> None:
    network, guidance = small_network(), warmed()
    guidance.eval()
    parts = list(steps(guidance, network, 12))
    assert all("background" in each for each in parts)
    assert guidance.ranges == {}
    assert next(steps(guidance.train(), network, 1)).keys() == {"classification"}


def test_a_warm_up_that_was_interrupted_goes_on() -> None:
    network, through, first = small_network(), warmed(layers=("2",)), warmed(layers=("2",))
    list(steps(through, network, 11))
    list(steps(first, network, 9))  # between the two steps that measure
    second = warmed(layers=("2",))
    second.load_state_dict(first.state_dict())
    list(steps(second, network, 2))
    assert second.ranges == through.ranges
    assert set(second.ranges) == {"map", "map/2"}


def test_where_no_region_is_known_the_range_stays() -> None:
    network, (images, labels, regions) = small_network(), drawn()
    guidance = warmed(warm_up=1)
    guidance(network, images, labels, NAN * regions)
    assert guidance.range_of("map") == (0.3, 8.0)


def test_calibration_measures_before_the_first_step() -> None:
    network, (images, labels, regions) = small_network(), drawn()
    batch = Batch(images, labels, regions, ("a",) * 4)
    guidance = BackgroundRelevance(variant="dual", calibrate=1, layers=("2",))
    told = guidance.prepare(network, iter([batch, batch]))
    assert (told["least"], told["most"]) == guidance.range_of("map")
    assert set(guidance.ranges) == {"map", "positive", "map/2", "positive/2"}
    assert BackgroundRelevance().prepare(network, iter([batch])) == {}
    with pytest.raises(DataError, match="known region"):
        guidance.calibrate(network, [])
