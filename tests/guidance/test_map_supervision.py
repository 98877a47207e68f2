import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import DataError, SettingsError
from sightline.guidance import MapSupervision, MapSupervisionSettings, make_guidance, saliency_loss
from sightline.guidance.map_supervision import labels_loss
from sightline.types import Answer

NAN = float("nan")


class TwoHeads(nn.Module):
    """Each pixel's logit is its own scaled grey value; the logits of the classes are linear in all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
        self.head = nn.Linear(4, 3, dtype=torch.float64)
        with torch.no_grad():
            self.head.weight.copy_(torch.arange(12.0).reshape(3, 4) / 10)
            self.head.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(images.flatten(1))
        return logits

    def answer(self, images: Tensor) -> Answer:
        return Answer(self(images), self.scale * images)


IMAGES = torch.tensor([[0.1, 0.4, 0.9, 0.3], [0.5, 0.2, 0.0, 0.7]], dtype=torch.float64).reshape(2, 1, 2, 2)
LABELS = torch.tensor([2, 0])
REGIONS = torch.tensor([[1.0, 0.0, 0.5, 0.0], [0.0, 1.0, 1.0, 0.0]], dtype=torch.float64).reshape(2, 1, 2, 2)


def losses(kind: str = "bce") -> tuple[float, float]:
    answer = TwoHeads().answer(IMAGES)
    classes = F.cross_entropy(answer.logits, LABELS)
    return classes.item(), saliency_loss(answer.maps, REGIONS, kind).mean().item()  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["kl", "cc", "hs", "bce", "mse"])
@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_the_loss_is_the_weighted_mean_of_both(kind: Any, weight: float) -> None:
    guided = MapSupervision(kind=kind, weight=weight)(TwoHeads(), IMAGES, LABELS, REGIONS)
    classes, maps = losses(kind)
    assert guided.parts["classification"].item() == pytest.approx(classes)
    assert guided.parts["maps"].item() == pytest.approx(maps)
    assert guided.loss.item() == pytest.approx((1 - weight) * classes + weight * maps)
    assert not any(part.requires_grad for part in guided.parts.values())


@pytest.mark.parametrize(("weight", "head", "scale"), [(1.0, False, True), (0.5, True, True), (0.0, True, False)])
def test_the_weight_says_which_weights_are_reached(weight: float, head: bool, scale: bool) -> None:
    model = TwoHeads()
    MapSupervision(weight=weight)(model, IMAGES, LABELS, REGIONS).loss.backward()
    assert bool(model.head.weight.grad is not None and model.head.weight.grad.any()) == head
    assert bool(model.scale.grad is not None and model.scale.grad != 0) == scale


def test_the_gradient_equals_finite_differences() -> None:
    model, guide = TwoHeads(), MapSupervision(kind="kl", weight=0.3)

    def loss(scale: Tensor, weight: Tensor) -> Tensor:
        state = {"scale": scale, "head.weight": weight}
        answer = lambda model, images: Answer(  # noqa: E731
            F.linear(images.flatten(1), state["head.weight"]), state["scale"] * images
        )
        return MapSupervision(guide.settings, read=answer)(model, IMAGES, LABELS, REGIONS).loss

    assert torch.autograd.gradcheck(loss, (model.scale, model.head.weight))


def test_images_with_unknown_or_empty_regions_are_left_out_of_the_mean() -> None:
    regions = REGIONS.clone()
    regions[0] = NAN
    alone = saliency_loss(TwoHeads().answer(IMAGES).maps[1:], REGIONS[1:], "kl").item()
    guide = MapSupervision(kind="kl", weight=0.5)
    assert guide(TwoHeads(), IMAGES, LABELS, regions).parts["maps"].item() == pytest.approx(alone)
    regions[0] = 0
    assert guide(TwoHeads(), IMAGES, LABELS, regions).parts["maps"].item() == pytest.approx(alone)


@pytest.mark.parametrize("uncertainty", ["none", "learned", "learned_classification"])
def test_a_batch_without_regions_is_classification_alone(uncertainty: Any) -> None:
    guide = MapSupervision(uncertainty=uncertainty)
    guided = guide(TwoHeads(), IMAGES, LABELS, torch.full_like(REGIONS, NAN))
    classes, _ = losses()
    expected = 0.5 * classes if uncertainty == "none" else classes + math.log(2)
    assert guided.loss.item() == pytest.approx(expected)
    assert guided.parts["maps"].isnan()
    guided.loss.backward()
    if uncertainty == "learned":
        assert guide.log_sigma_maps.grad == 0


def test_learned_uncertainties_by_hand() -> None:
    guide = MapSupervision(kind="kl", uncertainty="learned", weight=0.0)
    assert {name for name, _ in guide.named_parameters()} == {"log_sigma_classification", "log_sigma_maps"}
    with torch.no_grad():
        guide.log_sigma_classification.fill_(math.log(2.0))
        guide.log_sigma_maps.fill_(math.log(3.0))
    guided = guide(TwoHeads(), IMAGES, LABELS, REGIONS)
    classes, maps = losses("kl")
    expected = classes / 4 + math.log(1 + 2) + maps / (2 * 9) + math.log(1 + 3)
    assert guided.loss.item() == pytest.approx(expected)
    assert guided.parts["sigma_classification"].item() == pytest.approx(2)
    assert guided.parts["sigma_maps"].item() == pytest.approx(3)
    guided.loss.backward()
    # d/d ln s of L / s² + ln(1 + s) is -2 L / s² + s / (1 + s)
    assert guide.log_sigma_classification.grad is not None
    assert guide.log_sigma_maps.grad is not None
    assert guide.log_sigma_classification.grad.item() == pytest.approx(-2 * classes / 4 + 2 / 3)
    assert guide.log_sigma_maps.grad.item() == pytest.approx(-maps / 9 + 3 / 4)


def test_the_released_mt_unet_learns_the_uncertainty_of_the_classes_alone() -> None:
    guide = MapSupervision(kind="kl", uncertainty="learned_classification")
    assert {name for name, _ in guide.named_parameters()} == {"log_sigma_classification"}
    classes, maps = losses("kl")
    guided = guide(TwoHeads(), IMAGES, LABELS, REGIONS)
    assert guided.loss.item() == pytest.approx(classes + maps / 2 + 2 * math.log(2))
    assert set(guided.parts) == {"classification", "maps", "sigma_classification"}


def test_without_weight_nothing_is_drawn_and_any_classifier_will_do() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, dtype=torch.float64))
    guided = MapSupervision(weight=0.0)(model, IMAGES, LABELS, REGIONS)
    torch.testing.assert_close(guided.loss, F.cross_entropy(model(IMAGES), LABELS))
    with pytest.raises(SettingsError, match=r"needs a model with answer\(images\).*Sequential has none"):
        MapSupervision()(model, IMAGES, LABELS, REGIONS)


def test_binary_cross_entropy_of_one_label_an_image() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0]])
    expected = -(math.log(1 / 4) + math.log(1 / 2)) / 2  # the second class is true
    assert labels_loss(logits, torch.tensor([1]), "bce").item() == pytest.approx(expected)
    several = torch.tensor([[0.0, NAN]])
    assert labels_loss(logits, several, "bce").item() == pytest.approx(-math.log(1 / 4))
    assert labels_loss(logits, torch.tensor([1]), "cross_entropy").item() == pytest.approx(math.log(4))


def test_a_function_of_the_user_may_read_another_model() -> None:
    model = nn.Linear(4, 3, dtype=torch.float64)

    def read(model: nn.Module, images: Tensor) -> Answer:
        return Answer(model(images.flatten(1)), 2 * images)

    guided = MapSupervision(read=read, weight=1.0)(model, IMAGES, LABELS, REGIONS)
    assert guided.loss.item() == pytest.approx(saliency_loss(2 * IMAGES, REGIONS, "bce").mean().item())


def test_regions_out_of_range_are_refused() -> None:
    with pytest.raises(DataError, match=r"regions must lie in \[0, 1\]"):
        MapSupervision()(TwoHeads(), IMAGES, LABELS, 255 * REGIONS)


def test_settings_make_the_guidance() -> None:
    settings = MapSupervisionSettings(weight=0.75, kind="cross_entropy")
    guide = make_guidance(settings)
    assert isinstance(guide, MapSupervision)
    assert guide.settings is settings


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"weight": 1.5}, r"weight must lie in \[0, 1\], got 1.5"),
        ({"kind": "nss"}, "kind must be one of kl, .* got 'nss'"),
        ({"classification": "mse"}, "classification must be one of cross_entropy, bce, got 'mse'"),
        ({"uncertainty": "fixed"}, "uncertainty must be one of none, .* got 'fixed'"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=f"^{said}"):
        MapSupervisionSettings(**wrong)
