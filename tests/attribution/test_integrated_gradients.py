"""Integrated gradients: on paper, complete, exact where they must be, and equal to captum's."""

import copy
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass, Label, Predicted, RandomClass, Saliency, Selection, Selective
from sightline.attribution.integrated_gradients import IntegratedGradients
from sightline.errors import SettingsError, ShapeError

MakeNet = Callable[..., nn.Module]
MakeImages = Callable[..., Tensor]
RULES = ("midpoint", "gauss-legendre")


class Formula(nn.Module):
    """Logits that are any function of the flattened pixels `(N, P)`."""

    def __init__(self, *logits: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.flatten(1)
        return torch.stack([logit(pixels) for logit in self.logits], 1)


def smooth_net(seed: int = 0) -> nn.Module:
    """For images (N, 2, 8, 8); infinitely differentiable and far from linear."""
    torch.default_generator.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(144, 8), nn.Tanh(), nn.Linear(8, 3))
    with torch.no_grad():
        net[0].weight.mul_(4)
        net[3].weight.mul_(4)
    return net.double()


def test_product_by_hand() -> None:
    image, baseline = (torch.tensor(pixels, dtype=torch.float64).view(1, 1, 2) for pixels in ([3.0, 4], [1.0, 2]))
    product = Formula(lambda x: x[:, 0] * x[:, 1])
    from_zero = IntegratedGradients(steps=1)(product, image, Class(0))
    assert from_zero.logits.item() == 12
    assert from_zero.attribution.tolist() == [[[6, 6]]]  # both pixels alike, whatever their values
    assert from_zero.gap.tolist() == [0]
    # on the way from (1, 2): x = (1 + 2a, 2 + 2a), whose means are 2 and 3
    from_baseline = IntegratedGradients(baseline, steps=1)(product, image, Class(0))
    assert from_baseline.attribution.tolist() == [[[2 * 3, 2 * 2]]]  # 10 = 3 * 4 - 1 * 2


def test_gap_is_what_one_step_misses_by_hand() -> None:
    # x^3 from 0 to 2 is 8; the gradient 3x^2 at the middle is 3, times 2 is 6
    explanation = IntegratedGradients(steps=1)(Formula(lambda x: x[:, 0] ** 3), torch.tensor([[[2.0]]]), Class(0))
    assert explanation.attribution.item() == 6
    assert explanation.gap.tolist() == [2]
    assert not explanation.gap.requires_grad


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 5), (3, 2, 3, 4), (3, 1, 2, 3, 2)])
def test_linear_models_are_exact_in_any_dimension(make_images: MakeImages, rule: str, shape: tuple[int, ...]) -> None:
    images, baseline = make_images(*shape), make_images(*shape, seed=1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(images[0].numel(), 2)).double()
    explanation = IntegratedGradients(baseline, 3, rule)(net, images, EveryClass())
    weight = net[1].weight.view(1, 2, *shape[1:])
    torch.testing.assert_close(explanation.attribution, (images - baseline)[:, None] * weight)
    assert explanation.gap.abs().max() < 1e-14


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), pixels=st.integers(1, 6), steps=st.integers(1, 4), rule=st.sampled_from(RULES))
def test_quadratic_models_are_exact(seed: int, pixels: int, steps: int, rule: str) -> None:
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(pixels, pixels, generator=generator, dtype=torch.float64)
    image, baseline = torch.randn(2, 1, 1, pixels, generator=generator, dtype=torch.float64)
    quadratic = Formula(lambda x: ((x @ a) * x).sum(1))
    explanation = IntegratedGradients(baseline[None], steps, rule)(quadratic, image[None], Class(0))
    expected = (image - baseline) * ((image + baseline) / 2 @ (a + a.T))
    torch.testing.assert_close(explanation.attribution[0], expected, rtol=1e-10, atol=1e-10)
    assert explanation.gap.abs().item() < 1e-10


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_gauss_legendre_is_exact_to_twice_its_steps_and_no_further(steps: int) -> None:
    image = torch.tensor([[[1.5]]], dtype=torch.float64)
    powers = Formula(lambda x: x[:, 0] ** (2 * steps), lambda x: x[:, 0] ** (2 * steps + 1))
    exact, not_exact = IntegratedGradients(0.0, steps, "gauss-legendre")(powers, image, EveryClass()).gap[0].abs()
    assert exact < 1e-12
    assert not_exact > 1e-6


def test_the_gap_of_a_smooth_net_falls_with_the_square_of_the_steps(make_images: MakeImages) -> None:
    net, images = smooth_net(), make_images()
    gaps = [IntegratedGradients(steps=steps)(net, images, EveryClass()).gap for steps in (16, 32, 64)]
    for coarse, fine in pairwise(gaps):
        torch.testing.assert_close(coarse / fine, torch.full_like(fine, 4), rtol=0.02, atol=0)
    change = (net(images) - net(torch.zeros_like(images))).abs()
    assert (gaps[-1].abs() / change).max() < 1e-3
    exact = IntegratedGradients(0.0, 16, "gauss-legendre")(net, images, EveryClass())
    assert exact.gap.abs().max() < 1e-13
    torch.testing.assert_close(
        exact.attribution, IntegratedGradients(steps=400)(net, images, EveryClass()).attribution, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("rule", RULES)
def test_the_gap_of_a_relu_net_falls_with_the_steps(make_net: MakeNet, make_images: MakeImages, rule: str) -> None:
    net, images = make_net(), make_images(8, 2, 8, 8)
    few, many = (
        IntegratedGradients(0.0, steps, rule)(net, images, EveryClass()).gap.abs().mean() for steps in (10, 160)
    )
    assert many < few / 8  # 16 where the jumps of the gradient fall evenly


def test_the_gap_is_the_change_of_score_less_the_sum(make_net: MakeNet, make_images: MakeImages) -> None:
    net, images, baseline = make_net(), make_images(), make_images(seed=1)
    explanation = IntegratedGradients(baseline, 7)(net, images, EveryClass())
    expected = net(images) - net(baseline) - explanation.attribution.sum((2, 3, 4))
    torch.testing.assert_close(explanation.gap, expected, rtol=1e-9, atol=1e-12)
    one = IntegratedGradients(baseline, 7)(net, images, Class(2))
    torch.testing.assert_close(one.gap, expected[:, 2], rtol=1e-9, atol=1e-12)
    assert expected.abs().max() > 1e-5


def test_pixels_that_play_the_same_part_are_given_the_same(make_images: MakeImages) -> None:
    net = smooth_net()
    images = make_images(2, 2, 8, 8)
    images = (images + images.mT) / 2

    def symmetric(x: Tensor) -> Tensor:
        x = x.view(-1, 2, 8, 8)
        return (net(x) * net(x.mT))[:, 0]

    maps = IntegratedGradients(0.1, 3)(Formula(symmetric), images, Class(0)).attribution
    torch.testing.assert_close(maps, maps.mT, rtol=1e-12, atol=1e-14)
    assert (maps - maps.flip(3)).abs().max() > 1e-3


def test_the_map_belongs_to_the_function_and_not_to_how_it_is_computed(make_images: MakeImages) -> None:
    images, net = make_images(), smooth_net()
    first, last = net[3], net[5]

    def otherwise(x: Tensor) -> Tensor:
        """Hidden units turned about, one of them split into halves, tanh and softplus by their exponentials."""
        z = (1 + net[0](x.view(-1, 2, 8, 8)).exp()).log().flatten(1)
        z = torch.cat([z @ first.weight.flip(0).T + first.bias.flip(0), z @ first.weight[:1].T + first.bias[:1]], 1)
        a = 1 - 2 / ((2 * z).exp() + 1)
        weight = last.weight.flip(1)
        weight = torch.cat([weight[:, :-1], weight[:, -1:] / 2, weight[:, -1:] / 2], 1)
        return (a @ weight.T + last.bias)[:, 1]

    ours = IntegratedGradients(steps=5)(net, images, Class(1))
    theirs = IntegratedGradients(steps=5)(Formula(otherwise), images, Class(0))
    torch.testing.assert_close(ours.attribution, theirs.attribution, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("rule", "method"), [("midpoint", "riemann_middle"), ("gauss-legendre", "gausslegendre")])
@pytest.mark.parametrize("one_baseline", [True, False])
def test_equals_captum(make_net: MakeNet, make_images: MakeImages, rule: str, method: str, one_baseline: bool) -> None:
    attr = pytest.importorskip("captum.attr")
    net, images, baseline = make_net(), make_images(), make_images(1 if one_baseline else 3, 2, 8, 8, seed=1)
    theirs, delta = attr.IntegratedGradients(net).attribute(
        images,
        baseline.expand_as(images),
        target=[2, 0, 1],
        n_steps=9,
        method=method,
        return_convergence_delta=True,
    )
    ours = IntegratedGradients(baseline, 9, rule)(net, images, Label(torch.tensor([2, 0, 1])))
    torch.testing.assert_close(ours.attribution, theirs, rtol=1e-6, atol=1e-9)  # captum's steps are float32
    torch.testing.assert_close(-ours.gap, delta, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("grad", [True, False])
def test_neither_batch_nor_chunks_change_a_map(make_net: MakeNet, make_images: MakeImages, grad: bool) -> None:
    net, images, baseline = make_net(), make_images(), make_images(seed=1)
    given: list[int] = []
    handle = net.register_forward_pre_hook(lambda module, inputs: given.append(len(inputs[0])))
    with torch.set_grad_enabled(grad):
        whole = IntegratedGradients(baseline, 5, batch_size=100)(net, images, EveryClass())
        assert given == [3, 15, 3]  # images, which the paths end in, points, where they start
        given.clear()
        chunked = IntegratedGradients(baseline, 5, batch_size=2)(net, images, EveryClass())
        assert max(given[1:]) == 2
        handle.remove()
        alone = IntegratedGradients(baseline[1:2], 5)(net, images[1:2], EveryClass())
    for other, rows in ((chunked, slice(None)), (alone, slice(1, 2))):
        torch.testing.assert_close(other.attribution, whole.attribution[rows])
        torch.testing.assert_close(other.gap, whole.gap[rows], rtol=1e-9, atol=1e-12)


def test_what_is_explained_is_chosen_once_from_the_image(make_images: MakeImages) -> None:
    net, images = smooth_net(), make_images(12, 2, 8, 8)
    method = IntegratedGradients(-1.0, 4)
    every = method(net, images, EveryClass())
    ends, middle = net(images).argmax(1), net((images - 1) / 2).argmax(1)
    assert (ends != middle).any()  # a choice made anew would differ
    drawn = method(net, images, RandomClass(torch.Generator().manual_seed(0)))
    predicted = method(net, images, Predicted())
    assert torch.equal(predicted.target, ends)
    for explanation in (drawn, predicted):
        rows = torch.arange(12)
        torch.testing.assert_close(explanation.attribution, every.attribution[rows, explanation.target])
        torch.testing.assert_close(explanation.gap, every.gap[rows, explanation.target])


def test_the_softmax_based_score_is_integrated_as_it_is(make_images: MakeImages) -> None:
    net, images, black = smooth_net(), make_images(), torch.zeros(3, 2, 8, 8, dtype=torch.float64)
    selection = Selective().select(net(images))
    change = selection.scores[0] - selection.again(net(black), torch.arange(3))[0]
    explanation = IntegratedGradients(0.0, 30, "gauss-legendre")(net, images, Selective())
    torch.testing.assert_close(explanation.attribution.sum((1, 2, 3)), change, rtol=1e-9, atol=1e-12)


def test_in_training_mode_the_function_of_evaluation_mode_is_explained(
    make_net: MakeNet, make_images: MakeImages
) -> None:
    net, images = make_net().train(), make_images()
    logits = copy.deepcopy(net)(images)
    training = IntegratedGradients(steps=5)(net, images, Class(0))
    torch.testing.assert_close(training.logits, logits)
    evaluation = IntegratedGradients(steps=5)(net.eval(), images, Class(0))  # the first pass moved the statistics
    torch.testing.assert_close(training.attribution, evaluation.attribution)
    torch.testing.assert_close(training.gap, evaluation.gap, rtol=1e-9, atol=1e-12)
    assert (training.logits - evaluation.logits).abs().max() > 1e-3


def test_a_loss_on_the_map_trains_as_torch_double_backward_does(make_images: MakeImages) -> None:
    images, ours, theirs = make_images(), smooth_net(), smooth_net()
    explanation = IntegratedGradients(0.5, 4, batch_size=5)(ours, images, Class(1))
    (explanation.attribution.square().sum() + explanation.logits.square().sum()).backward()
    total = torch.zeros_like(images)
    for step in range(4):
        point = (0.5 + (step + 0.5) / 4 * (images - 0.5)).requires_grad_()
        total = total + torch.autograd.grad(theirs(point)[:, 1].sum(), point, create_graph=True)[0]
    (((images - 0.5) * total / 4).square().sum() + theirs(images).square().sum()).backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-9, atol=1e-12)


def test_a_baseline_is_a_constant(make_images: MakeImages) -> None:
    net, images = smooth_net(), make_images().requires_grad_()
    baseline = make_images(1, 2, 8, 8, seed=1).float().requires_grad_()
    IntegratedGradients(baseline, 2)(net, images, Class(0)).attribution.square().sum().backward()
    assert baseline.grad is None
    assert images.grad is None


def test_a_target_that_cannot_choose_again_is_refused(make_images: MakeImages) -> None:
    class Once(Class):
        def select(self, logits: Tensor) -> Selection:
            return Selection(super().select(logits).scores)

    assert Saliency()(smooth_net(), make_images(), Once(0)).attribution.any()
    with pytest.raises(SettingsError, match="'again'"):
        IntegratedGradients()(smooth_net(), make_images(), Once(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps and batch_size must be at least 1, got 0 and 32"),
        ({"batch_size": 0}, "steps and batch_size must be at least 1, got 50 and 0"),
        ({"rule": "trapezoid"}, "rule must be 'midpoint' or 'gauss-legendre', got 'trapezoid'"),
    ],
)
def test_wrong_settings_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        IntegratedGradients(**options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 8, 8), r"baseline must be at least 1 image \(R, 2, 8, 8\), got \(2, 8, 8\)"),
        ((1, 1, 8, 8), r"baseline must be at least 1 image \(R, 2, 8, 8\), got \(1, 1, 8, 8\)"),
        ((0, 2, 8, 8), r"baseline must be at least 1 image \(R, 2, 8, 8\), got \(0, 2, 8, 8\)"),
        ((2, 2, 8, 8), "baseline must be 1 image or one for each of 3, got 2"),
    ],
)
def test_a_baseline_of_another_shape_is_refused(make_images: MakeImages, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        IntegratedGradients(torch.zeros(shape))(smooth_net(), make_images(), Class(0))
