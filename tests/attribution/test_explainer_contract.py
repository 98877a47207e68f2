"""What holds for every explainer, tomorrow's too."""

import copy
import dataclasses
import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import (
    CAM,
    AttentionRollout,
    Class,
    EveryClass,
    Explainer,
    GradientAttentionRollout,
    Label,
    Predicted,
    ScoreCAM,
    Selection,
    Target,
)
from sightline.errors import ShapeError, SightlineError

MakeNet = Callable[..., nn.Module]
MakeImages = Callable[..., Tensor]


def explainers() -> list[type[Explainer]]:
    """Every subclass of ours, in one order, so that workers of a parallel run collect the same."""
    ours = [cls for cls in Explainer.__subclasses__() if cls.__module__.startswith("sightline.")]
    return sorted(ours, key=lambda cls: cls.__name__)


@pytest.fixture(params=explainers(), ids=lambda cls: cls.__name__)
def explainer(request: pytest.FixtureRequest) -> Explainer:
    return request.param()


@pytest.fixture
def make_net(explainer: Explainer, make_net: MakeNet) -> MakeNet:
    """A network that the explainer can explain: CAM wants one linear layer behind the pooling, rollout attention."""
    attends = isinstance(explainer, AttentionRollout | GradientAttentionRollout)
    return functools.partial(make_net, pooled=isinstance(explainer, CAM), attends=attends)


class Fails(nn.Module):
    """A model that breaks off in the middle of its forward pass."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        self.net(images)
        raise RuntimeError("broken")


class WritesToImages(nn.Module):
    """Standardises in place, as some models do."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images.mul_(3).relu_())


def state(model: nn.Module) -> dict[str, object]:
    return {
        "hooks": [
            (name, len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks), len(m._backward_pre_hooks))
            for name, m in model.named_modules()
        ],
        "types": [type(m) for m in model.modules()],
        "mode": [m.training for m in model.modules()],
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "grads": [p.grad is None for p in model.parameters()],
        "forward": ["forward" in vars(m) for m in model.modules()],
    }


def equal_weights(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_explainers_are_frozen_dataclasses(explainer: Explainer) -> None:
    assert dataclasses.is_dataclass(explainer)
    assert type(explainer).__dataclass_params__.frozen
    assert explainer == type(explainer)()
    hash(explainer)


@pytest.mark.parametrize("training", [False, True])
def test_logits_are_those_of_the_model(
    explainer: Explainer, make_net: MakeNet, make_images: MakeImages, training: bool
) -> None:
    net, images = make_net().train(training), make_images()
    reference = copy.deepcopy(net)
    explanation = explainer(net, images, Predicted())
    logits = reference(images)
    torch.testing.assert_close(explanation.logits, logits)
    assert torch.equal(explanation.target, logits.argmax(1))
    assert all(torch.allclose(a, b) for a, b in zip(net.buffers(), reference.buffers(), strict=True))
    explanation.logits.square().sum().backward()
    logits.square().sum().backward()
    for a, b in zip(net.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_model_and_images_come_back_as_they_were(
    explainer: Explainer, make_net: MakeNet, make_images: MakeImages
) -> None:
    net, images = make_net(), make_images().requires_grad_()
    net[4].requires_grad_(False)
    net[5].train()
    net[5].norm.momentum = 0.0
    before, weights, pixels = state(net), copy.deepcopy(net), images.detach().clone()
    explanation = explainer(net, images, Class(0))
    assert state(net) == before
    net[5].norm.num_batches_tracked.zero_()  # training mode counts, as any forward pass does
    assert equal_weights(net, weights)
    explanation.attribution.square().sum().backward()
    assert images.grad is None
    assert images.is_leaf
    assert torch.equal(images, pixels)
    for method, error in ((Fails(net), "broken"), (lambda _: [], "logits")):
        before = state(net)
        with pytest.raises((RuntimeError, ShapeError), match=error):
            explainer(method if isinstance(method, nn.Module) else _Returns(method), images, Class(0))
        assert state(net) == before
    assert torch._C._len_torch_function_stack() == 0


class _Returns(nn.Module):
    def __init__(self, answer: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.answer = answer
        self.conv = nn.Conv2d(2, 2, 1).double()

    def forward(self, images: Tensor) -> object:
        self.conv(images)
        return self.answer(images)


def test_images_are_not_written_to_even_by_a_model_that_does(
    explainer: Explainer, make_net: MakeNet, make_images: MakeImages
) -> None:
    images = make_images() - 0.5
    pixels = images.clone()
    try:
        explainer(WritesToImages(make_net()), images, Class(0))
    except SightlineError as error:
        assert "input_rule=None" in str(error)  # noqa: PT017 - only an input rule may refuse it
    assert torch.equal(images, pixels)


def test_without_gradients_the_result_has_no_graph(
    explainer: Explainer, make_net: MakeNet, make_images: MakeImages
) -> None:
    net, images = make_net(), make_images()
    with torch.no_grad():
        explanation = explainer(net, images, EveryClass())
    assert not explanation.logits.requires_grad
    assert not explanation.attribution.requires_grad
    expected = explainer(net, images, EveryClass())
    assert expected.logits.requires_grad
    assert expected.attribution.requires_grad
    torch.testing.assert_close(explanation.attribution, expected.attribution.detach())


def test_inference_mode_is_refused_in_words(explainer: Explainer, make_net: MakeNet, make_images: MakeImages) -> None:
    net, images = make_net(), make_images()
    with torch.inference_mode(), pytest.raises(SightlineError, match="inference mode is on"):
        explainer(net, images, Class(0))


def test_every_class_has_its_own_axis(explainer: Explainer, make_net: MakeNet, make_images: MakeImages) -> None:
    net, images = make_net(), make_images()
    every = explainer(net, images, EveryClass())
    assert every.target is None
    assert every.attribution.shape[:2] == (3, 3)
    for k in range(3):
        torch.testing.assert_close(every.attribution[:, k], explainer(net, images, Class(k)).attribution)


class OneSample(Target):
    """The second logit of the second image, whatever the others are."""

    def select(self, logits: Tensor) -> Selection:
        def scores(logits: Tensor, rows: Tensor) -> Tensor:
            return logits[None, :, 1] * (rows == 1)

        return Selection(scores(logits, torch.arange(len(logits))), again=scores)


@pytest.mark.parametrize("kept", [True, False])
def test_samples_do_not_mix_in_training_mode(
    explainer: Explainer, make_net: MakeNet, make_images: MakeImages, kept: bool
) -> None:
    net, images = make_net().train(), make_images()
    with torch.set_grad_enabled(kept):
        alone = explainer(copy.deepcopy(net), images, OneSample()).attribution  # running statistics move on
        together = explainer(net, images, Label(torch.tensor([2, 1, 0]))).attribution
    assert together[1].any()
    torch.testing.assert_close(alone[1], together[1])
    if not isinstance(explainer, ScoreCAM | AttentionRollout):  # whose maps are not 0 where the score is
        assert not alone[[0, 2]].any()


def test_a_loss_on_the_map_trains_the_weights(explainer: Explainer, make_net: MakeNet, make_images: MakeImages) -> None:
    net, images = make_net(seed=1), make_images(seed=1)

    def loss() -> Tensor:
        return explainer(net, images, Class(0)).attribution.square().sum()

    loss().backward()
    for name, parameter in net.named_parameters():
        direction = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        values = []
        with torch.no_grad():
            for step in (1e-7, -2e-7):  # short: with thousands of changed images some ReLU is always near its kink
                parameter.add_(direction, alpha=step)
                values.append(loss().item())
            parameter.add_(direction, alpha=1e-7)
        slope = 0.0 if parameter.grad is None else (parameter.grad * direction).sum().item()
        assert slope == pytest.approx((values[0] - values[1]) / 2e-7, rel=1e-5, abs=1e-7), name


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 2, 8, 8, dtype=torch.uint8), r"floating point \(N, C, \*S\), got torch.uint8 \(2, 2, 8, 8\)"),
        (torch.zeros(8), r"got torch.float32 \(8,\)"),
    ],
)
def test_images_of_another_kind_are_refused(
    explainer: Explainer, make_net: MakeNet, images: Tensor, message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        explainer(make_net(), images, Class(0))


def test_float32_gives_float32(explainer: Explainer, make_net: MakeNet, make_images: MakeImages) -> None:
    exact = explainer(make_net(), make_images(), Class(0)).attribution
    single = explainer(make_net().float(), make_images().float(), Class(0)).attribution
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=1e-3, atol=1e-4 * exact.abs().max().item())
