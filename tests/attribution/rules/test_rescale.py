"""The rescale rule, one function at a time."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.attribution import Class, DeepLIFT, EveryClass
from sightline.attribution.rules.rescale import ELEMENTWISE

MakeImages = Callable[..., Tensor]


class Formula(nn.Module):
    """One logit, any function of the flattened pixels `(N, P)`."""

    def __init__(self, logit: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.logit = logit

    def forward(self, images: Tensor) -> Tensor:
        return self.logit(images.flatten(1))[:, None]


def explain(logit: Callable[[Tensor], Tensor], image: list[float], baseline: list[float]) -> tuple[list[float], float]:
    """Map and gap of one image of few pixels."""
    x, reference = (torch.tensor(pixels, dtype=torch.float64).view(1, 1, -1) for pixels in (image, baseline))
    explanation = DeepLIFT(reference)(Formula(logit), x, Class(0))
    return explanation.attribution.flatten().tolist(), explanation.gap.item()


class Apply(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@pytest.mark.parametrize("offset", [0.0, 1e-13])
def test_a_unit_that_does_not_change_passes_its_gradient(offset: float) -> None:
    image = [1 + offset, 1]
    found, gap = explain(lambda x: 4 * torch.sigmoid(x[:, 0] - x[:, 1]), image, [0, 0])
    assert found == pytest.approx([1, -1], abs=1e-12)  # the slope at 0 is 1/4
    assert gap == pytest.approx(0, abs=1e-12)


def test_small_changes_of_a_small_unit_are_not_lost() -> None:
    # from -2e-9 to 2e-9: the multiplier is 1/2, though a change of 4e-9 beside an output of 1 would be lost
    found, _ = explain(lambda x: F.relu(x[:, 0] - x[:, 1]), [3e-9, 1e-9], [0, 2e-9])
    assert found == pytest.approx([1.5e-9, 0.5e-9], abs=1e-20)
    saturated, gap = explain(lambda x: torch.sigmoid(x[:, 0]), [40], [20])
    assert saturated == pytest.approx([2.061e-9], rel=1e-3)
    assert abs(gap) < 1e-15
    assert explain(lambda x: x[:, 0] ** 2, [10_000], [9_999]) == ([19_999], 0)  # a change of 1 beside an output of 1e8


ONE = torch.ones(1, dtype=torch.float64)
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "prelu": lambda x: F.prelu(x, 0.25 * ONE),
    "hardtanh": lambda x: F.hardtanh(x, -0.3, 0.4),
    "relu6": lambda x: F.relu6(6 * x),
    "threshold": lambda x: F.threshold(x, 0.2, 0.1),
    "log_sigmoid": F.logsigmoid,
    "special_expit": torch.special.expit,
    "logit": lambda x: torch.logit(x / 3),
    "pow": lambda x: x**3,
    "rpow": lambda x: 2**x,
    "rdiv": lambda x: 2 / x,
    "clamp": lambda x: x.clamp(-0.3, 0.4),
    "clip": lambda x: x.clip(-0.3, 0.4),
    "clamp_min": lambda x: x.clamp_min(0.2),
    "clamp_max": lambda x: x.clamp_max(0.2),
    "asin": lambda x: torch.asin(x / 3),
    "acos": lambda x: torch.acos(x / 3),
    "atanh": lambda x: torch.atanh(x / 3),
    "maximum": lambda x: torch.maximum(x, 0.2 * ONE),
    "minimum": lambda x: torch.minimum(x, 0.2 * ONE),
    "fmax": lambda x: torch.fmax(x, 0.2 * ONE),
    "fmin": lambda x: torch.fmin(x, 0.2 * ONE),
}
# of numbers above 0, or above 1; of the others both signs are tried
POSITIVE = ("acosh", "log", "log2", "log10", "log1p", "logit", "rdiv", "reciprocal", "rsqrt", "sqrt")


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
def test_every_function_of_one_value_passes_the_change_per_change(name: str) -> None:
    function = FUNCTIONS.get(name) or getattr(F, name, None) or getattr(torch, name)
    generator = torch.Generator().manual_seed(0)
    images, baseline = (1 + torch.rand(2, 4, 1, 6, generator=generator, dtype=torch.float64)).unbind(0)
    shift = 1 if name in POSITIVE else 3  # values from 1 to 3 or from -1 to 1
    factor = (2 * ONE).requires_grad_()
    model = nn.Sequential(Apply(lambda x: function(factor * x - shift)), nn.Flatten(), nn.Linear(6, 2).double())
    explanation = DeepLIFT(baseline)(model, images, EveryClass())
    change = function(factor * images - shift) - function(factor * baseline - shift)
    assert change.abs().max() > 1e-3
    expected = change[:, None] * model[2].weight.view(1, 2, 1, 6)
    torch.testing.assert_close(explanation.attribution, expected)
    assert explanation.gap.abs().max() < 1e-12
    slopes = [torch.autograd.grad(maps.square().sum(), factor)[0] for maps in (explanation.attribution, expected)]
    torch.testing.assert_close(*slopes)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([1e-8, 1e-3, 1.0, 1e3]),
    function=st.sampled_from([F.relu, F.gelu, torch.tanh, torch.sigmoid, F.softplus, torch.square]),
)
def test_completeness_at_any_scale(seed: int, scale: float, function: Callable[[Tensor], Tensor]) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight, images, baseline = torch.randn(3, 4, 4, generator=generator, dtype=torch.float64).unbind(0)
    model = Formula(lambda x: function(scale * (x @ weight)).sum(1))
    explanation = DeepLIFT(baseline[:, None])(model, images[:, None], Class(0))
    size = function(scale * (torch.cat([images, baseline]) @ weight)).abs().max().item()
    assert explanation.gap.abs().max() < 1e-12 * max(size, 1e-3)


def test_max_pooling_by_hand() -> None:
    def pool(x: Tensor) -> Tensor:
        return F.max_pool1d(x[:, None], 2)[:, 0, 0]

    assert explain(pool, [1, 5], [3, 0]) == ([0, 2], 0)  # rises from 3 to 5: the new maximum made it
    assert explain(pool, [1, 2], [4, 0]) == ([-2, 0], 0)  # falls from 4 to 2: the old one did
    assert explain(pool, [3, 3], [3, 1]) == ([0, 0], 0)
    assert explain(lambda x: pool(3 * x - 1), [1, 4], [2, 0]) == ([0, 6], 0)


POOLINGS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "overlapping": (2, nn.MaxPool2d(3, stride=2, padding=1)),
    "dilated": (2, nn.MaxPool2d(2, stride=1, dilation=2)),
    "ceil": (2, nn.MaxPool2d(3, 2, ceil_mode=True)),
    "of torch": (2, lambda x: torch.max_pool2d(x, 2)),
    "with indices": (2, lambda x: F.max_pool2d(x, 2, return_indices=True)[0]),
    "adaptive": (2, nn.AdaptiveMaxPool2d((3, 2))),
    "by keyword": (2, lambda x: F.max_pool2d(input=x, kernel_size=2)),
    "1-D": (1, nn.MaxPool1d(3)),
    "3-D": (3, nn.MaxPool3d(3, stride=2, padding=1)),
    "adaptive 1-D": (1, nn.AdaptiveMaxPool1d(3)),
    "adaptive 1-D of torch": (1, lambda x: torch.adaptive_max_pool1d(x, 3)[0]),
    "adaptive 3-D": (3, nn.AdaptiveMaxPool3d(2)),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_max_pooling_passes_the_change_of_each_maximum(make_images: MakeImages, name: str) -> None:
    axes, pool = POOLINGS[name]
    shape = (3, 2, *(6,) * axes)
    images, baseline = make_images(*shape) - 0.5, make_images(*shape, seed=1) - 0.5
    model = Formula(lambda x: pool(x.view(-1, *shape[1:])).flatten(1).sum(1))
    explanation = DeepLIFT(baseline)(model, images, Class(0))
    torch.testing.assert_close(explanation.attribution.flatten(1).sum(1), (model(images) - model(baseline))[:, 0])
    multipliers = explanation.attribution / (images - baseline)
    assert multipliers.min() >= 0
    assert multipliers.max() <= pool(torch.ones(shape, dtype=torch.float64)).numel()


UNSUMMED: dict[str, Callable[[Tensor], Tensor]] = {
    "product": lambda x: x[:, 0] * x[:, 1],
    "softmax": lambda x: (2 * x).softmax(1)[:, 0],
    "layer norm": lambda x: F.layer_norm(x, x.shape[1:])[:, 0],
    "quotient": lambda x: x[:, 0] / (1 + x[:, 1]),
    "power of two": lambda x: torch.pow(1 + x[:, 0], x[:, 1]),
    "constant to the power": lambda x: torch.pow(2, x).sum(1),
    "broadcast": lambda x: torch.maximum(x.sum(1, keepdim=True), 0.5 * torch.ones(3, dtype=x.dtype)).sum(1),
}


@pytest.mark.parametrize("name", UNSUMMED)
def test_what_has_no_rule_passes_its_gradient_and_the_gap_says_what_is_missing(
    make_images: MakeImages, name: str
) -> None:
    model, images, baseline = Formula(UNSUMMED[name]), make_images(3, 1, 2), make_images(3, 1, 2, seed=1)
    explanation = DeepLIFT(baseline)(model, images, Class(0))
    leaf = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(leaf).sum(), leaf)
    torch.testing.assert_close(explanation.attribution, (images - baseline) * gradient)
    gap = (model(images) - model(baseline))[:, 0] - explanation.attribution.flatten(1).sum(1)
    torch.testing.assert_close(explanation.gap, gap)
    assert name == "broadcast" or gap.abs().max() > 1e-3
