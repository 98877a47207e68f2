from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import Class, DeconvNet, EveryClass, GuidedBackpropagation, Label
from sightline.errors import SettingsError, ShapeError
from sightline.guidance import HeatmapGenerator, HeatmapGeneratorSettings, make_guidance
from sightline.types import Answer

NAN = float("nan")
GENERATORS = ["guided_backpropagation", "deconvnet"]


class Linear(nn.Module):
    """Logits linear in the pixels, so that the gradient is the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, -3.0, 5.0, 2.0], [0.0, 1.0, 4.0, -2.0]], dtype=torch.float64))
        self.drawn = nn.Parameter(torch.tensor([0.5, -1.0, 2.0, 0.0], dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T

    def answer(self, images: Tensor) -> Answer:
        return Answer(self(images), (self.drawn * images.flatten(1)).view_as(images))


class Drawer(nn.Module):
    """A small encoder with a head and a decoder of one layer."""

    def __init__(self, activation: type[nn.Module] = nn.SiLU) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), activation()),
            *(nn.Conv2d(4, 4, 3, padding=1), activation()),
        )
        self.head = nn.Linear(4, 3)
        self.decoder = nn.Conv2d(4, 1, 1)
        self.double()
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(images).mean((2, 3)))
        return logits

    def answer(self, images: Tensor) -> Answer:
        features = self.encoder(images)
        return Answer(self.head(features.mean((2, 3))), self.decoder(features))


PIXELS = torch.tensor([[0.1, 0.4, 0.9, 0.3], [0.5, 0.2, 0.0, 0.7]], dtype=torch.float64).reshape(2, 1, 2, 2)
GAZE = torch.tensor([[1.0, 0.0, 0.5, 0.0], [0.0, 1.0, 1.0, 0.0]], dtype=torch.float64).reshape(2, 1, 2, 2)
LABELS = torch.tensor([0, 1])
# of the absolute weights 1 3 5 2 and 0 1 4 2, and one thousandth away from 0 and 1
DERIVED = 0.001 + 0.998 * torch.tensor([[0, 0.5, 1, 0.25], [0, 0.25, 1, 0.5]], dtype=torch.float64).reshape(2, 1, 2, 2)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 2, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def gaze() -> Tensor:
    return torch.rand(4, 1, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


MANY = torch.tensor([2, 0, 1, 1])


@pytest.mark.parametrize("generator", GENERATORS)
def test_the_three_sets_by_hand(generator: Any) -> None:
    model = Linear()
    answer = model.answer(PIXELS)
    classes = F.cross_entropy(answer.logits, LABELS).item()
    drawn = F.binary_cross_entropy_with_logits(answer.maps, GAZE).item()
    to_derived = F.binary_cross_entropy_with_logits(answer.maps, DERIVED).item()
    derived = F.binary_cross_entropy(DERIVED, GAZE).item()
    for model_set, maps, parts in (
        (1, derived, {"derived": derived}),
        (2, to_derived, {"predicted": to_derived}),
        (3, 0.25 * drawn + 0.75 * derived, {"derived": derived, "predicted": drawn}),
    ):
        guide = HeatmapGenerator(model_set=model_set, generator=generator, weight=0.4, ratio=0.25)
        guided = guide(model, PIXELS, LABELS, GAZE)
        assert guided.loss.item() == pytest.approx(0.6 * classes + 0.4 * maps)
        found = {name: part.item() for name, part in guided.parts.items()}
        assert found == pytest.approx({"classification": classes, **parts})
        assert not any(part.requires_grad for part in guided.parts.values())
        torch.testing.assert_close(guided.logits, answer.logits)


def test_the_classes_may_have_a_binary_loss_each() -> None:
    model = Linear()
    guided = HeatmapGenerator(model_set=1, classification="bce")(model, PIXELS, LABELS, GAZE)
    expected = F.binary_cross_entropy_with_logits(model(PIXELS), torch.eye(2).double())
    assert guided.parts["classification"].item() == pytest.approx(expected.item())


@pytest.mark.parametrize("generator", GENERATORS)
def test_set_1_gives_the_decoder_no_gradient_and_does_not_run_it(generator: Any, images: Tensor, gaze: Tensor) -> None:
    model = Drawer()
    del model.decoder
    guide = HeatmapGenerator(model_set=1, generator=generator, weight=1.0)
    guide(model, images, MANY, gaze).loss.backward()
    assert all(p.grad is not None and p.grad.any() for p in model.encoder[0].parameters())
    assert model.head.weight.grad is not None
    assert model.head.weight.grad.any()
    assert model.head.bias.grad is None or not model.head.bias.grad.any()  # a gradient knows no offset


def test_set_1_works_without_a_decoder(gaze: Tensor, images: Tensor) -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    HeatmapGenerator(model_set=1)(model, images, MANY, gaze).loss.backward()
    with pytest.raises(SettingsError, match=r"model_set must be 1 for a model without answer\(images\), as Sequential"):
        HeatmapGenerator(model_set=3)(model, images, MANY, gaze)


@pytest.mark.parametrize("generator", GENERATORS)
def test_set_2_reaches_the_encoder_by_way_of_the_drawn_map_alone(generator: Any, images: Tensor, gaze: Tensor) -> None:
    model = Drawer()
    guide = HeatmapGenerator(model_set=2, generator=generator, weight=1.0)
    explanation, drawn = guide.explain(model, images, MANY)
    assert drawn is not None
    derived = explanation.attribution.detach().abs().amax(1, keepdim=True)
    low, high = derived.amin((1, 2, 3), keepdim=True), derived.amax((1, 2, 3), keepdim=True)
    derived = 0.001 + 0.998 * (derived - low) / (high - low)
    F.binary_cross_entropy_with_logits(drawn, derived).backward()
    expected = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    torch.testing.assert_close(gradients(guide, model, images, gaze), expected)
    assert not model.head.weight.grad.any()
    through = HeatmapGenerator(model_set=2, generator=generator, weight=1.0, differentiate=True)
    assert not torch.allclose(gradients(through, model, images, gaze)[0], expected[0])
    assert model.head.weight.grad.any()


@pytest.mark.parametrize("model_set", [1, 3])
def test_without_differentiating_the_derived_map_trains_nothing(model_set: Any, images: Tensor, gaze: Tensor) -> None:
    model = Drawer()
    guide = HeatmapGenerator(model_set=model_set, weight=1.0, differentiate=False, ratio=0.5)
    found = gradients(guide, model, images, gaze)
    if model_set == 1:
        assert not any(gradient.any() for gradient in found if gradient is not None)
    else:
        drawn = F.binary_cross_entropy_with_logits(model.answer(images).maps, gaze)
        expected = torch.autograd.grad(drawn / 2, model.encoder[0].weight)[0]
        torch.testing.assert_close(found[0], expected)


def gradients(guide: HeatmapGenerator, model: nn.Module, images: Tensor, gaze: Tensor) -> list[Tensor]:
    model.zero_grad()
    guide(model, images, MANY, gaze).loss.backward()
    return [p.grad for p in model.parameters()]  # type: ignore[misc]


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("rectify", ["every", "relu"])
@pytest.mark.parametrize(("model_set", "activation"), [(1, nn.SiLU), (1, nn.ReLU), (3, nn.SiLU)])
def test_the_gradient_through_the_second_backward_pass_equals_finite_differences(
    generator: Any, rectify: Any, model_set: Any, activation: type[nn.Module], images: Tensor, gaze: Tensor
) -> None:
    model = Drawer(activation).eval()
    guide = HeatmapGenerator(model_set=model_set, generator=generator, rectify=rectify, weight=0.7)
    weights = (model.encoder[0].weight, model.encoder[3].weight, model.head.weight)

    def loss(*_: Tensor) -> Tensor:
        return guide(model, images[:2], MANY[:2], gaze[:2]).loss

    assert torch.autograd.gradcheck(loss, weights, fast_mode=True)


def test_an_activation_that_is_no_relu_has_the_rule_too(images: Tensor) -> None:
    model = Drawer().eval()

    def maps(**options: Any) -> Tensor:
        return HeatmapGenerator(model_set=1, **options).explain(model, images, MANY)[0].attribution

    for generator, explainer in zip(GENERATORS, (GuidedBackpropagation(), DeconvNet()), strict=True):
        as_it_is = explainer(model, images, Label(MANY)).attribution
        torch.testing.assert_close(maps(generator=generator, rectify="relu"), as_it_is)
        assert not torch.allclose(maps(generator=generator, rectify="every"), as_it_is)
    torch.testing.assert_close(*(maps(generator=generator, rectify="relu") for generator in GENERATORS))
    assert not torch.allclose(*(maps(generator=generator, rectify="every") for generator in GENERATORS))


def test_with_relus_alone_both_choices_of_rectify_are_the_explainer(images: Tensor) -> None:
    model = Drawer(nn.ReLU).eval()
    for generator, explainer in zip(GENERATORS, (GuidedBackpropagation(), DeconvNet()), strict=True):
        expected = explainer(model, images, Label(MANY)).attribution
        for rectify in ("every", "relu"):
            guide = HeatmapGenerator(model_set=1, generator=generator, rectify=rectify)
            torch.testing.assert_close(guide.explain(model, images, MANY)[0].attribution, expected)


@pytest.mark.parametrize("model_set", [1, 2, 3])
def test_one_forward_pass_a_step_and_the_same_answer_as_without(model_set: Any, images: Tensor, gaze: Tensor) -> None:
    model, plain = Drawer(), Drawer()
    expected = plain(images)
    guided = HeatmapGenerator(model_set=model_set)(model, images, MANY, gaze)
    torch.testing.assert_close(guided.logits, expected)
    torch.testing.assert_close(model.encoder[1].running_mean, plain.encoder[1].running_mean)
    assert model.encoder[1].num_batches_tracked == 1
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())


def test_whose_gradient_is_derived(images: Tensor) -> None:
    model = Drawer().eval()
    every = GuidedBackpropagation()(model, images, EveryClass()).attribution
    rows = torch.arange(4)

    def found(labels: Tensor = MANY, *, training: bool = True, **options: Any) -> Tensor:
        guide = HeatmapGenerator(model_set=1, rectify="relu", **options).train(training)
        return guide.explain(model, images, labels)[0].attribution

    predicted = every[rows, model(images).argmax(1)]
    torch.testing.assert_close(found(), every[rows, MANY])
    torch.testing.assert_close(found(training=False), predicted)
    torch.testing.assert_close(found(score="predicted"), predicted)
    torch.testing.assert_close(found(score="sum"), every.sum(1))
    several = torch.tensor([[1, 1, 0], [0, 0, NAN], [NAN, 1, 0], [0, 0, 1.0]]).double()
    expected = torch.stack([every[0, 0] + every[0, 1], predicted[1], every[2, 1], every[3, 2]])
    torch.testing.assert_close(found(several), expected)
    with pytest.raises(ShapeError, match=r"labels must be \(4, 3\), got \(4, 2\)"):
        found(several[:, :2])


@pytest.mark.parametrize("model_set", [1, 3])
def test_images_without_gaze_weigh_nothing(model_set: Any, images: Tensor, gaze: Tensor) -> None:
    model, guide = Drawer().eval(), HeatmapGenerator(model_set=model_set)
    alone = guide(model, images[2:], MANY[2:], gaze[2:]).parts
    gaze[:2] = NAN
    parts = guide(model, images, MANY, gaze).parts
    for name in parts.keys() - {"classification"}:
        torch.testing.assert_close(parts[name], alone[name])
    guided = guide(model, images, MANY, torch.full_like(gaze, NAN))
    torch.testing.assert_close(guided.loss, F.cross_entropy(model(images), MANY) / 2)
    assert set(guided.parts) == {"classification"}


def test_set_2_does_not_ask_for_gaze(images: Tensor, gaze: Tensor) -> None:
    model, guide = Drawer().eval(), HeatmapGenerator(model_set=2)
    losses = [guide(model, images, MANY, regions).loss for regions in (gaze, torch.full_like(gaze, NAN))]
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("model_set", [1, 2, 3])
def test_the_order_of_the_images_does_not_matter(model_set: Any, images: Tensor, gaze: Tensor) -> None:
    model, guide = Drawer().eval(), HeatmapGenerator(model_set=model_set)
    order = torch.tensor([2, 0, 3, 1])
    losses = [guide(model, images[o], MANY[o], gaze[o]).loss for o in (torch.arange(4), order)]
    torch.testing.assert_close(*losses)


def test_with_a_region_for_each_class_the_gaze_is_their_union(images: Tensor, gaze: Tensor) -> None:
    model, guide = Drawer().eval(), HeatmapGenerator()
    several = torch.cat([gaze, gaze.flip(2), 0 * gaze], 1)
    union = torch.maximum(gaze, gaze.flip(2))
    torch.testing.assert_close(guide(model, images, MANY, several).loss, guide(model, images, MANY, union).loss)


@pytest.mark.parametrize("model_set", [1, 2, 3])
def test_validation_measures_without_a_graph(model_set: Any, images: Tensor, gaze: Tensor) -> None:
    model, guide = Drawer().eval(), HeatmapGenerator(model_set=model_set, score="sum").eval()
    expected = guide(model, images, MANY, gaze)
    with torch.no_grad():
        guided = guide(model, images, MANY, gaze)
    assert not guided.loss.requires_grad
    torch.testing.assert_close(guided.loss, expected.loss)


@pytest.mark.parametrize("model_set", [1, 2, 3])
def test_under_autocast_the_maps_are_compared_in_full_precision(model_set: Any, images: Tensor, gaze: Tensor) -> None:
    model, guide = Drawer().float(), HeatmapGenerator(model_set=model_set)
    expected = guide(model, images.float(), MANY, gaze.float())
    with torch.autocast("cpu", torch.bfloat16):
        guided = guide(model, images.float(), MANY, gaze.float())
    assert guided.loss.dtype == torch.float32
    torch.testing.assert_close(guided.loss, expected.loss, rtol=0.1, atol=0.1)
    guided.loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_volumes_and_other_scales(gaze: Tensor) -> None:
    model = nn.Sequential(nn.Conv3d(1, 3, 3), nn.SiLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    guide = HeatmapGenerator(model_set=1, scale="zscore", channels="mean", resolution=4)
    guided = guide(model, torch.rand(2, 1, 8, 8, 8), MANY[:2], torch.rand(2, 1, 8, 8, 8))
    guided.loss.backward()
    assert guided.loss.isfinite()
    assert model[0].weight.grad.any()


def test_without_weight_it_classifies_alone(images: Tensor, gaze: Tensor) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(84, 3)).double()
    guided = HeatmapGenerator(weight=0.0)(model, images, MANY, gaze)
    torch.testing.assert_close(guided.loss, F.cross_entropy(model(images), MANY))


def test_settings_make_it_and_wrong_ones_are_named() -> None:
    guide = make_guidance(HeatmapGeneratorSettings(model_set=2, generator="deconvnet"))
    assert isinstance(guide, HeatmapGenerator)
    for options, message in (
        ({"model_set": 4}, "model_set must be one of 1, 2, 3, got 4"),
        ({"generator": "lrp"}, "generator must be one of guided_backpropagation, deconvnet, got 'lrp'"),
        ({"scale": "max"}, "scale must be one of minmax, zscore, got 'max'"),
        ({"weight": 1.5}, r"weight must lie in \[0, 1\], got 1.5"),
        ({"ratio": -0.5}, r"ratio must lie in \[0, 1\], got -0.5"),
        ({"resolution": 0}, "resolution must be at least 1 or null, got 0"),
    ):
        with pytest.raises(SettingsError, match=message):
            HeatmapGenerator(**options)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="regions must be"):
        HeatmapGenerator()(Drawer(), torch.rand(2, 2, 4, 4), MANY[:2], torch.rand(2, 4, 4))


def test_an_explanation_of_one_class_is_that_of_the_label(images: Tensor) -> None:
    guide = HeatmapGenerator(model_set=1, generator="deconvnet", rectify="relu")
    model = Drawer().eval()
    ones = torch.ones(4, dtype=torch.int64)
    expected = DeconvNet()(model, images, Class(1)).attribution
    torch.testing.assert_close(guide.explain(model, images, ones)[0].attribution, expected)
