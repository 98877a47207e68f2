import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.guidance import RightReasons, classification_loss, gradient_penalty

NAN = float("nan")
DOUBLE = {"dtype": torch.float64}


class Linear(nn.Module):
    """Logits that are linear in the pixels: the gradient of y_k by them is w_k."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weights)
        self.bias = nn.Parameter(torch.zeros(len(weights), **DOUBLE))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T + self.bias


def linear(classes: int = 3) -> Linear:
    return Linear(torch.randn(classes, 4, generator=torch.Generator().manual_seed(0), **DOUBLE))


IMAGES = torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(1), **DOUBLE)
LABELS = torch.tensor([0, 2])
TOP = torch.tensor([[1.0, 1.0], [0.0, 0.0]], **DOUBLE).expand(2, 1, 2, 2)
SEVERAL = torch.tensor([[1.0, 0.0, NAN], [NAN, 1.0, 1.0]], **DOUBLE)


def outside(gradients: Tensor) -> Tensor:
    """Sum of squares at the two places of the lower row, of gradients `(N, 4)`."""
    return gradients[:, 2:].square().sum(1)


def expected_gradients(model: Linear, labels: Tensor, *, of_label: bool) -> Tensor:
    """The gradient of the log-probabilities in closed form, `(N, 4)`."""
    y = model(IMAGES)
    if labels.ndim == 1:
        p = y.softmax(1)
        by_logit = F.one_hot(labels, 3) - p if of_label else 1 - 3 * p
    else:
        p = y.sigmoid()
        by_logit = torch.where(labels.isnan(), 0, labels - p) if of_label else 1 - 2 * p
    return by_logit @ model.weight


@pytest.mark.parametrize("labels", [LABELS, SEVERAL], ids=["one label", "several labels"])
@pytest.mark.parametrize("answer", ["all_classes", "label"])
def test_the_penalty_of_a_linear_model_is_its_closed_form(labels: Tensor, answer: str) -> None:
    model = linear()
    guided = RightReasons(strength=10.0, answer=answer)(model, IMAGES, labels, TOP)
    gradients = expected_gradients(model, labels, of_label=answer == "label")
    penalty = outside(gradients).mean()
    torch.testing.assert_close(guided.parts["penalty"], penalty.detach())
    classification = classification_loss(model(IMAGES), labels)
    torch.testing.assert_close(guided.loss, classification + 10 * penalty)
    torch.testing.assert_close(guided.logits, model(IMAGES))
    assert guided.parts.keys() == {"classification", "penalty"}
    assert not any(part.requires_grad for part in guided.parts.values())
    for got, wanted in zip(
        torch.autograd.grad(guided.loss, list(model.parameters())),
        torch.autograd.grad(classification + 10 * penalty, list(model.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted)


def test_a_model_that_is_undecided_has_no_penalty() -> None:
    model = Linear(torch.zeros(3, 4, **DOUBLE))
    assert RightReasons()(model, IMAGES, LABELS, TOP).parts["penalty"] == 0


def test_by_hand_on_two_pixels() -> None:
    """Logits ln 3 and 0, so p = 3/4 and 1/4: ln p_1 + ln p_2 has the gradient (1 - 3/2) w_1 + (1 - 1/2) w_2."""
    model = Linear(torch.tensor([[2.0, 4.0], [6.0, 0.0]], **DOUBLE))
    with torch.no_grad():
        model.bias[0] = math.log(3)
    region = torch.tensor([0.5, 1.0], **DOUBLE).reshape(1, 1, 1, 2)  # half of the first pixel's gradient counts
    guided = RightReasons(strength=1.0)(model, torch.zeros(1, 1, 1, 2, **DOUBLE), torch.tensor([0]), region)
    assert guided.parts["penalty"].item() == pytest.approx((0.5 * (-0.5 * 2 + 0.5 * 6)) ** 2)


@given(seed=st.integers(0, 2**31), scale=st.floats(0.1, 10))
def test_the_penalty_grows_with_the_square_of_the_gradient(seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    gradients = torch.randn(3, 2, 4, 4, generator=generator, **DOUBLE)
    regions = torch.rand(3, 1, 4, 4, generator=generator, **DOUBLE)
    whole = gradient_penalty(gradients, regions)
    torch.testing.assert_close(gradient_penalty(-scale * gradients, regions), scale**2 * whole)
    torch.testing.assert_close(gradient_penalty(gradients.flip(0), regions.flip(0)), whole)
    assert gradient_penalty(gradients, torch.ones_like(regions)) == 0


def test_an_image_without_a_known_region_weighs_nothing() -> None:
    model, regions = linear(), TOP.clone()
    regions[1] = NAN
    images = IMAGES.clone().requires_grad_()
    penalty = outside(expected_gradients(model, LABELS, of_label=False))[0]
    torch.testing.assert_close(RightReasons()(model, images, LABELS, regions).parts["penalty"], penalty.detach())
    guided = RightReasons()(model, IMAGES, LABELS, NAN * TOP)
    torch.testing.assert_close(guided.loss, classification_loss(model(IMAGES), LABELS))
    assert guided.parts.keys() == {"classification"}
    assert gradient_penalty(torch.ones(2, 1, 2, 2), torch.full((2, 1, 2, 2), NAN)) == 0


def test_the_label_has_its_region_and_all_classes_that_of_any() -> None:
    model = linear()
    regions = torch.ones(2, 3, 2, 2, **DOUBLE)
    regions[0, 0], regions[1, 2] = TOP[0, 0], 1 - TOP[0, 0]
    gradients = expected_gradients(model, LABELS, of_label=True)
    wanted = (gradients[0, 2:].square().sum() + gradients[1, :2].square().sum()) / 2
    parts = RightReasons(answer="label")(model, IMAGES, LABELS, regions).parts
    torch.testing.assert_close(parts["penalty"], wanted.detach())
    assert RightReasons()(model, IMAGES, LABELS, regions).parts["penalty"] == 0
    with pytest.raises(ShapeError, match="one for all or one for each of 3 classes, got 2"):
        RightReasons()(model, IMAGES, LABELS, regions[:, :2])


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return nn.Sequential(
            *(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.GELU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(16, 3)),
        ).double()


@pytest.mark.parametrize("answer", ["all_classes", "label"])
@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_is_that_of_the_loss_and_statistics_move_once(answer: str, training: bool) -> None:
    model, other = network().train(training), network().train(training)
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(4, 1, 8, 8, generator=generator, **DOUBLE)
    regions = (torch.rand(4, 1, 8, 8, generator=generator) > 0.5).double()
    labels = torch.tensor([0, 1, 2, 1])
    guidance = RightReasons(strength=10.0, answer=answer)

    def loss() -> Tensor:
        return guidance(model, images, labels, regions).loss

    value = loss()
    other(images)
    assert all(torch.equal(one, two) for one, two in zip(model.buffers(), other.buffers(), strict=True))
    value.backward()
    if training:  # batch statistics are held while pixels vary, and not while weights do
        assert all(weight.grad.isfinite().all() for weight in model.parameters())
        return
    for weight in model.parameters():
        place = int(weight.grad.abs().argmax())
        with torch.no_grad():
            flat, step = weight.view(-1), 1e-6
            flat[place] += step
            above = loss()
            flat[place] -= 2 * step
            below = loss()
            flat[place] += step
        torch.testing.assert_close(weight.grad.view(-1)[place], (above - below) / (2 * step), rtol=1e-5, atol=1e-8)


def test_volumes_and_half_precision() -> None:
    model = nn.Sequential(
        nn.Conv3d(1, 2, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 2)
    )
    images, regions = torch.rand(2, 1, 4, 4, 4), torch.zeros(2, 1, 4, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        guided = RightReasons()(model, images, torch.tensor([0, 1]), regions)
    assert guided.loss.dtype == torch.float32
    guided.loss.backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"strength": -1.0}, "strength must be at least 0, got -1.0"),
        ({"answer": "lable"}, "answer must be one of all_classes, label, got 'lable'"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        RightReasons(**options)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="regions must lie in"):
        RightReasons()(linear(), IMAGES, LABELS, 255 * TOP)
    with pytest.raises(ShapeError, match="regions must be"):
        RightReasons()(linear(), IMAGES, LABELS, TOP[:1])
    with pytest.raises(ShapeError, match=r"labels must be \(2,\) or \(2, 3\), got \(1,\)"):
        RightReasons()(linear(), IMAGES, LABELS[:1], TOP)
