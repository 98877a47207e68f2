"""Expected gradients: their draws, their expectation, what is exact without one, and captum's GradientShap."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass, Label, Predicted
from sightline.attribution.expected_gradients import ExpectedGradients
from sightline.attribution.integrated_gradients import IntegratedGradients
from sightline.errors import SettingsError, ShapeError

MakeNet = Callable[..., nn.Module]
MakeImages = Callable[..., Tensor]


class Product(nn.Module):
    """The product of two pixels, and notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.given.append(images.detach().clone())
        return images.flatten(1).prod(1, keepdim=True)


IMAGE = torch.tensor([[[3.0, 4.0]]], dtype=torch.float64)


def test_the_map_is_the_mean_over_the_points_that_the_model_was_given() -> None:
    reference = torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64).view(3, 1, 1).expand(3, 1, 2)
    product = Product()
    explanation = ExpectedGradients(reference, samples=500, batch_size=500)(product, IMAGE, Class(0))
    points = product.given[1][:, 0]  # (500, 2): c + alpha (x - c), and a reference has one value c
    alphas = points[:, 1] - points[:, 0]  # of pixels 3 and 4
    values = (points[:, 0] - 3 * alphas) / (1 - alphas)
    drawn = values.round()
    torch.testing.assert_close(values, drawn)
    assert [(drawn == value).float().mean().item() for value in (0, 1, -2)] == pytest.approx([1 / 3] * 3, abs=0.08)
    ranks = (torch.arange(500) + 0.5) / 500
    assert (alphas.sort().values - ranks).abs().max() < 1.63 / 500**0.5  # Kolmogorov-Smirnov, 1 %
    expected = torch.stack([(3 - drawn) * points[:, 1], (4 - drawn) * points[:, 0]], 1).mean(0)
    torch.testing.assert_close(explanation.attribution[0, 0], expected)
    torch.testing.assert_close(explanation.gap[0], 12 - drawn.square().mean() - expected.sum())


def test_one_reference_and_many_samples_give_integrated_gradients() -> None:
    samples = 10_000
    for reference in (None, torch.tensor([[[1.0, -2.0]]], dtype=torch.float64)):
        baseline = 0.0 if reference is None else reference
        exact = IntegratedGradients(baseline, 1)(Product(), IMAGE, Class(0)).attribution
        random = ExpectedGradients(reference, samples, batch_size=samples)(Product(), IMAGE, Class(0)).attribution
        way = (IMAGE - baseline).prod()  # times alpha, whose variance is 1/12, and a constant
        assert (random - exact).abs().max() < 4 * way / (12 * samples) ** 0.5


def test_the_map_is_complete_in_expectation(make_net: MakeNet, make_images: MakeImages) -> None:
    net, images, reference = make_net(), make_images(), make_images(7, 2, 8, 8, seed=1)
    calls = 60
    with torch.no_grad():
        sums = torch.stack(
            [
                ExpectedGradients(reference, samples=10, seed=seed)(net, images, EveryClass()).attribution.sum(
                    (2, 3, 4)
                )
                for seed in range(calls)
            ]
        )
        change = net(images) - net(reference).mean(0)
    error = sums.std(0) / calls**0.5
    assert ((sums.mean(0) - change).abs() < 4 * error).all()
    assert (error < change.abs().max() / 10).all()


def test_linear_models_are_exact_for_the_references_drawn(make_images: MakeImages) -> None:
    images, reference = make_images(), make_images(7, 2, 8, 8, seed=1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(128, 2)).double()
    method = ExpectedGradients(reference, samples=9)
    explanation = method(net, images, EveryClass())
    drawn = reference[method.draw(images).starts[0]].mean(0)
    expected = (images - drawn)[:, None] * net[1].weight.view(1, 2, 2, 8, 8)
    torch.testing.assert_close(explanation.attribution, expected)
    assert explanation.gap.abs().max() < 1e-13


def test_the_gap_is_measured_to_the_references_drawn(make_net: MakeNet, make_images: MakeImages) -> None:
    net, images, reference = make_net(), make_images(), make_images(7, 2, 8, 8, seed=1)
    method = ExpectedGradients(reference, samples=9)
    explanation = method(net, images, EveryClass())
    drawn = net(reference)[method.draw(images).starts[0]].mean(0)
    expected = net(images) - drawn - explanation.attribution.sum((2, 3, 4))
    torch.testing.assert_close(explanation.gap, expected, rtol=1e-9, atol=1e-12)
    assert not explanation.gap.requires_grad
    assert expected.abs().max() > 1e-4


def test_equals_captum_given_the_same_draws(
    make_net: MakeNet, make_images: MakeImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    attr = pytest.importorskip("captum.attr")
    net, images, reference = make_net(), make_images(), make_images(7, 2, 8, 8, seed=1)
    method = ExpectedGradients(reference, samples=6)
    paths = method.draw(images)
    monkeypatch.setattr(np.random, "uniform", lambda *_: paths.alphas.repeat(3).numpy())
    monkeypatch.setattr(np.random, "choice", lambda *_: paths.starts.flatten().numpy())
    labels = torch.tensor([2, 0, 1])
    theirs = attr.GradientShap(net).attribute(images, reference, n_samples=6, stdevs=0.0, target=labels)
    ours = method(net, images, Label(labels)).attribution
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("grad", [True, False])
def test_neither_batch_nor_chunks_change_a_map(make_net: MakeNet, make_images: MakeImages, grad: bool) -> None:
    net, images, reference = make_net(), make_images(), make_images(7, 2, 8, 8, seed=1)
    with torch.set_grad_enabled(grad):
        whole = ExpectedGradients(reference, 5)(net, images, Predicted())
        chunked = ExpectedGradients(reference, 5, batch_size=2)(net, images, Predicted())
        alone = ExpectedGradients(reference, 5)(net, images[1:2], Predicted())
    for other, rows in ((chunked, slice(None)), (alone, slice(1, 2))):
        torch.testing.assert_close(other.attribution, whole.attribution[rows])
        torch.testing.assert_close(other.gap, whole.gap[rows], rtol=1e-9, atol=1e-12)


def test_the_seed_is_the_only_source_of_randomness(make_net: MakeNet, make_images: MakeImages) -> None:
    net, images, reference = make_net(), make_images(), make_images(7, 2, 8, 8, seed=1)
    before = torch.get_rng_state()
    first, again, other = (
        ExpectedGradients(reference, 5, seed)(net, images, Class(0)).attribution for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 1e-4
    exact, single = (ExpectedGradients(reference).draw(kind) for kind in (images, images.float()))
    assert torch.equal(single.alphas, exact.alphas.float())
    assert torch.equal(single.starts, exact.starts)


def test_without_references_it_starts_from_black(make_net: MakeNet, make_images: MakeImages) -> None:
    net, images = make_net(), make_images()
    default = ExpectedGradients()(net, images, Class(0))
    black = ExpectedGradients(torch.zeros(1, 2, 8, 8))(net, images, Class(0))
    assert torch.equal(default.attribution, black.attribution)
    assert torch.equal(default.gap, black.gap)


def test_a_loss_on_the_map_trains_as_torch_double_backward_does(make_net: MakeNet, make_images: MakeImages) -> None:
    ours, theirs, images, reference = make_net(), make_net(), make_images(), make_images(7, 2, 8, 8, seed=1)
    method = ExpectedGradients(reference, samples=4, batch_size=5)
    method(ours, images, Class(1)).attribution.square().sum().backward()
    paths, total = method.draw(images), torch.zeros_like(images)
    for start, alpha in zip(reference[paths.starts[0]], paths.alphas, strict=True):
        point = (start + alpha * (images - start)).requires_grad_()
        gradient = torch.autograd.grad(theirs(point)[:, 1].sum(), point, create_graph=True)[0]
        total = total + (images - start) * gradient / 4
    total.square().sum().backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert b.grad is None or a.grad is not None
        if b.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("options", [{"samples": 0}, {"batch_size": 0}])
def test_wrong_settings_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match="samples and batch_size must be at least 1"):
        ExpectedGradients(**options)


@pytest.mark.parametrize("shape", [(2, 8, 8), (3, 1, 8, 8), (0, 2, 8, 8)])
def test_references_of_another_shape_are_refused(
    make_net: MakeNet, make_images: MakeImages, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ShapeError, match=r"reference must be at least 1 image \(R, 2, 8, 8\), got \("):
        ExpectedGradients(torch.zeros(shape))(make_net(), make_images(), Class(0))
