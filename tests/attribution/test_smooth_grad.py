"""SmoothGrad: its moments in closed form, its noise, the class it stays with, and captum's noise tunnel."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.attribution import (
    LRP,
    Class,
    EveryClass,
    Explainer,
    GradCAM,
    GradientTimesInput,
    HiResCAM,
    Label,
    Predicted,
    RandomClass,
    Saliency,
    Selective,
    Target,
)
from sightline.attribution.integrated_gradients import IntegratedGradients
from sightline.attribution.smooth_grad import SmoothGrad
from sightline.errors import SettingsError
from sightline.types import Explanation

MakeNet = Callable[..., nn.Module]
MakeImages = Callable[..., Tensor]
FORMS = ("mean", "squared", "variance")


class HalfSquare(nn.Module):
    """Half the sum of squares, whose gradient is the image that was given."""

    def forward(self, images: Tensor) -> Tensor:
        return images.square().flatten(1).sum(1, keepdim=True) / 2


@dataclass(frozen=True)
class Spy(Explainer):
    """Notes what it is asked to explain."""

    calls: list[tuple[Tensor, bool, Explanation]] = field(default_factory=list)

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        explanation = Saliency()(model, images, target)
        self.calls.append((images, model.training, explanation))
        return explanation


def test_linear_models_by_hand() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[3.0, -2.0]]))
    image = torch.tensor([[[0.0, 1.0]]], dtype=torch.float64)
    for form, expected in zip(FORMS, ([3, -2], [9, 4], [0, 0]), strict=True):
        assert SmoothGrad(form=form)(net, image, Class(0)).attribution.tolist() == [[expected]]


def test_moments_are_those_of_the_noise() -> None:
    image = torch.tensor([-1.0, 0.0, 0.5, 3.0], dtype=torch.float64).view(1, 1, 4)  # range 4
    samples, sigma = 20_000, 0.1 * 4
    mean, squared, variance = (
        SmoothGrad(samples=samples, noise=0.1, form=form, batch_size=samples)(HalfSquare(), image, Class(0)).attribution
        for form in FORMS
    )
    close = 4 * sigma / samples**0.5  # four standard deviations
    assert (mean - image).abs().max() < close
    assert (variance - sigma**2).abs().max() < close * sigma * 2**0.5
    assert (squared - image.square() - sigma**2).abs().max() < close * (4 * 9 + 2 * sigma**2) ** 0.5


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_noise_is_a_share_of_the_range_of_each_image(seed: int, scale: float, shift: float) -> None:
    image = torch.rand(1, 2, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    images = torch.cat([image, scale * image + shift])
    maps = SmoothGrad(samples=3, seed=seed)(HalfSquare(), images, Class(0)).attribution
    noise = maps - images
    assert noise[0].abs().max() > 1e-3
    torch.testing.assert_close(noise[1], scale * noise[0])
    flat = SmoothGrad()(HalfSquare(), torch.full((1, 2, 3, 3), shift), Class(0))
    assert (flat.attribution == shift).all()  # a range of 0


@pytest.mark.parametrize(
    "inner",
    [Saliency(), GradientTimesInput(), GradCAM(rectify=False), HiResCAM("0"), LRP(), IntegratedGradients(0.2, 3)],
    ids=lambda inner: type(inner).__name__,
)
@pytest.mark.parametrize("target", [Predicted(), EveryClass(), Label(torch.tensor([2, 0, 1])), Selective()])
def test_without_noise_it_is_the_inner_explanation(
    make_net: MakeNet, make_images: MakeImages, inner: Explainer, target: Target
) -> None:
    net, images = make_net(), make_images()
    plain = inner(net, images, target)
    smooth = SmoothGrad(inner, samples=3, noise=0.0)(net, images, target)
    assert plain.attribution.any()
    torch.testing.assert_close(smooth.attribution, plain.attribution)
    torch.testing.assert_close(smooth.logits, plain.logits)
    assert smooth.target is None if plain.target is None else torch.equal(smooth.target, plain.target)


def test_variance_is_the_mean_square_less_the_squared_mean(make_net: MakeNet, make_images: MakeImages) -> None:
    net, images = make_net(), make_images()
    mean, squared, variance = (SmoothGrad(LRP(), form=form)(net, images, EveryClass()).attribution for form in FORMS)
    assert variance.max() > 1e-6
    torch.testing.assert_close(variance, squared - mean.square(), rtol=1e-8, atol=1e-14)


def test_variance_of_a_large_mean_is_not_lost_in_single_precision() -> None:
    image = torch.tensor([1000.0, 1001.0]).view(1, 1, 2)
    exact, single = (
        SmoothGrad(noise=0.01, form="variance")(HalfSquare(), image.to(dtype), Class(0)).attribution.double()
        for dtype in (torch.float64, torch.float32)
    )
    torch.testing.assert_close(single, exact, rtol=0.05, atol=0)


@pytest.mark.parametrize(
    ("form", "kind"), [("mean", "smoothgrad"), ("squared", "smoothgrad_sq"), ("variance", "vargrad")]
)
@pytest.mark.parametrize("inner", [Saliency(), IntegratedGradients(0.0, 4)], ids=lambda inner: type(inner).__name__)
def test_equals_captum_given_the_same_noise(
    make_net: MakeNet,
    make_images: MakeImages,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    kind: str,
    inner: Explainer,
) -> None:
    attr = pytest.importorskip("captum.attr")
    net, images = make_net(), make_images()
    images[:, 0, 0, 0], images[:, 0, 0, 1] = 0, 1  # captum takes one deviation for all: let the ranges be 1
    method = SmoothGrad(inner, samples=5, noise=0.2, form=form)
    noise = method.draw(images)
    monkeypatch.setattr(torch, "normal", lambda mean, std: std * noise.repeat(3, 1, 1, 1))
    if isinstance(inner, Saliency):
        theirs, options = attr.Saliency(net), {"abs": False}
    else:
        theirs, options = attr.IntegratedGradients(net), {"n_steps": 4, "method": "riemann_middle"}
    tunnel = attr.NoiseTunnel(theirs)
    expected = tunnel.attribute(
        images, nt_type=kind, nt_samples=5, stdevs=0.2, target=torch.tensor([2, 0, 1]), **options
    )
    ours = method(net, images, Label(torch.tensor([2, 0, 1]))).attribution
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-9)  # captum's deviation and steps are float32


def test_the_class_is_that_of_the_image_without_noise(make_net: MakeNet, make_images: MakeImages) -> None:
    net, images, spy = make_net(), make_images(8, 2, 8, 8), Spy()
    explanation = SmoothGrad(spy, noise=3.0)(net, images, Predicted())
    classes = net(images).argmax(1)
    assert torch.equal(explanation.target, classes)
    changed = torch.cat([inner.logits.argmax(1) for _, _, inner in spy.calls]).view(8, 16)
    assert (changed != classes[:, None]).any()
    kept = torch.cat([inner.target for _, _, inner in spy.calls]).view(8, 16)
    assert (kept == classes[:, None]).all()
    maps = SmoothGrad(noise=3.0)(net, images, EveryClass()).attribution
    torch.testing.assert_close(explanation.attribution, maps[torch.arange(8), classes])
    drawn = SmoothGrad(noise=3.0)(net, images, RandomClass(torch.Generator().manual_seed(0)))
    torch.testing.assert_close(drawn.attribution, maps[torch.arange(8), drawn.target])


def test_noise_on_noise_stays_with_the_class_too(make_net: MakeNet, make_images: MakeImages) -> None:
    net, images = make_net(), make_images(6, 2, 8, 8)
    for inner in (SmoothGrad(samples=3, noise=2.0, seed=1), IntegratedGradients(0.0, 3)):
        method = SmoothGrad(inner, samples=4, noise=2.0, batch_size=5)
        maps = method(net, images, EveryClass()).attribution
        predicted = method(net, images, Predicted())
        torch.testing.assert_close(predicted.attribution, maps[torch.arange(6), predicted.target])


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_neither_batch_nor_chunks_change_a_map(
    make_net: MakeNet, make_images: MakeImages, form: str, grad: bool
) -> None:
    net, images, spy = make_net(), make_images(5, 2, 8, 8), Spy()
    with torch.set_grad_enabled(grad):
        whole = SmoothGrad(spy, samples=4, form=form, batch_size=100)(net, images, Predicted()).attribution
        assert [len(images) for images, _, _ in spy.calls] == [20]
        for batch_size, sizes in ((9, [8, 8, 4]), (3, [3, 1] * 5)):
            spy.calls.clear()
            chunked = SmoothGrad(spy, samples=4, form=form, batch_size=batch_size)(net, images, Predicted()).attribution
            assert [len(images) for images, _, _ in spy.calls] == sizes
            torch.testing.assert_close(chunked, whole)
        alone = SmoothGrad(samples=4, form=form)(net, images[3:4], Predicted()).attribution
    torch.testing.assert_close(alone, whole[3:4])


def test_the_seed_is_the_only_source_of_randomness(make_net: MakeNet, make_images: MakeImages) -> None:
    net, images = make_net(), make_images()
    before = torch.get_rng_state()
    first, again, other = (SmoothGrad(seed=seed)(net, images, Class(0)).attribution for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 1e-4
    torch.testing.assert_close(SmoothGrad().draw(images.float()), SmoothGrad().draw(images).float(), rtol=0, atol=0)


def test_in_training_mode_the_function_of_evaluation_mode_is_explained(
    make_net: MakeNet, make_images: MakeImages
) -> None:
    net, images, spy = make_net().train(), make_images(), Spy()
    logits = copy.deepcopy(net)(images)
    training = SmoothGrad(spy)(net, images, Class(0))
    assert net.training
    assert not any(mode for _, mode, _ in spy.calls)
    torch.testing.assert_close(training.logits, logits)
    evaluation = SmoothGrad()(net.eval(), images, Class(0))
    torch.testing.assert_close(training.attribution, evaluation.attribution)


@pytest.mark.parametrize("form", FORMS)
def test_a_loss_on_the_map_trains_as_torch_double_backward_does(
    make_net: MakeNet, make_images: MakeImages, form: str
) -> None:
    ours, theirs, images = make_net(), make_net(), make_images()
    method = SmoothGrad(samples=4, form=form, batch_size=5)
    method(ours, images, Class(1)).attribution.square().sum().backward()
    maps = []
    for noise in method.draw(images):
        sigma = 0.15 * torch.stack([image.max() - image.min() for image in images])
        leaf = (images + sigma.view(3, 1, 1, 1) * noise).requires_grad_()
        maps += torch.autograd.grad(theirs(leaf)[:, 1].sum(), leaf, create_graph=True)
    mean, squared = torch.stack(maps).mean(0), torch.stack(maps).square().mean(0)
    {"mean": mean, "squared": squared, "variance": squared - mean**2}[form].square().sum().backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert b.grad is None or a.grad is not None
        if b.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "samples and batch_size must be at least 1, got 0 and 32"),
        ({"batch_size": 0}, "samples and batch_size must be at least 1, got 16 and 0"),
        ({"noise": -0.1}, "noise must be at least 0, got -0.1"),
        ({"noise": float("nan")}, "noise must be at least 0, got nan"),
        ({"form": "median"}, "form must be 'mean', 'squared' or 'variance', got 'median'"),
        ({"form": "variance", "samples": 1}, "a variance needs at least 2 samples, got 1"),
    ],
)
def test_wrong_settings_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        replace(SmoothGrad(), **options)
