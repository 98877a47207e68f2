"""What holds for every explanation that classifies changed copies of the images."""

import weakref
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass, Label, Predicted, RandomClass, Selection, Selective, Target
from sightline.attribution.changed_images import weighted_sum
from sightline.attribution.lime import LIME
from sightline.attribution.occlusion import Occlusion
from sightline.attribution.rise import RISE
from sightline.errors import SettingsError, ShapeError

Method = Occlusion | RISE | LIME
MakeNet = Callable[..., nn.Module]
MakeImages = Callable[..., Tensor]

STRIPES = torch.arange(8).expand(8, 8)
COPIES = {  # of 8 x 8 images, and how many each makes
    "occlusion": (Occlusion(window=3, stride=2), 1 + 4 * 4),
    "rise": (RISE(masks=30), 30),
    "lime": (LIME(samples=40, segmentation=STRIPES), 40),
}


@pytest.fixture(params=COPIES)
def method(request: pytest.FixtureRequest) -> Method:
    return COPIES[request.param][0]


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_size_of_a_chunk_does_not_change_the_map(
    method: Method, make_net: MakeNet, make_images: MakeImages, batch_size: int
) -> None:
    net, images = make_net(), make_images()
    expected = method(net, images, EveryClass()).attribution
    torch.testing.assert_close(replace(method, batch_size=batch_size)(net, images, EveryClass()).attribution, expected)


def test_an_image_has_the_same_map_alone_and_in_a_batch(
    method: Method, make_net: MakeNet, make_images: MakeImages
) -> None:
    net, images = make_net(), make_images()
    together = method(net, images, EveryClass()).attribution
    for n in (0, 2):
        assert torch.equal(method(net, images[n : n + 1], EveryClass()).attribution, together[n : n + 1])
    assert torch.equal(method(net, images.flip(0), EveryClass()).attribution, together.flip(0))


@pytest.mark.parametrize(("method", "copies"), COPIES.values(), ids=COPIES)
def test_progress_counts_the_copies(method: Method, copies: int, make_net: MakeNet, make_images: MakeImages) -> None:
    calls: list[tuple[int, int]] = []
    watched = replace(method, batch_size=16, progress=lambda done, total: calls.append((done, total)))
    assert watched == replace(method, batch_size=16)
    assert hash(watched) == hash(replace(method, batch_size=16))
    watched(make_net(), make_images(), EveryClass())
    done = [count for count, _ in calls]
    assert all(0 < after - before <= 16 for before, after in zip([0, *done], done, strict=False))
    assert calls[-1] == (3 * copies, 3 * copies)
    assert {total for _, total in calls} == {3 * copies}


def test_the_class_is_that_of_the_images_and_not_of_their_copies(method: Method, make_images: MakeImages) -> None:
    images = make_images(3, 1, 4, 4)
    method = replace(method, segmentation=STRIPES[:4, :4]) if isinstance(method, LIME) else method
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[1.0] * 16, [-1.0] * 16]))  # the darker, the more of the second class
        net[1].bias.copy_(torch.tensor([-1.0, 14.0]))
    assert (net(images)[:, 0] > net(images)[:, 1]).any()
    assert (net(images * 0)[:, 0] < net(images * 0)[:, 1]).all()
    for target in (Predicted(), RandomClass(torch.Generator().manual_seed(0)), Selective()):
        explanation = method(net, images, target)
        same = Label(explanation.target) if not isinstance(target, Selective) else _FixedOdds(explanation.target)
        torch.testing.assert_close(explanation.attribution, method(net, images, same).attribution)


class _FixedOdds(Target):
    def __init__(self, classes: Tensor) -> None:
        self.classes = classes

    def select(self, logits: Tensor) -> Selection:
        def scores(logits: Tensor, rows: Tensor) -> Tensor:
            p = logits.softmax(1)[torch.arange(len(rows)), self.classes[rows]]
            return ((p + 0.01) / (1 - p + 0.01)).log()[None]

        return Selection(scores(logits, torch.arange(len(logits))), again=scores)


def test_in_training_mode_copies_see_no_dropout_and_the_statistics_of_the_model(
    method: Method, make_net: MakeNet, make_images: MakeImages
) -> None:
    net, images = nn.Sequential(nn.Dropout(0.5), make_net()).train(), make_images()
    explanation = method(net, images, Class(1))
    assert all(module.training for module in net.modules())
    torch.testing.assert_close(explanation.attribution, method(net.eval(), images, Class(1)).attribution)
    assert not torch.allclose(explanation.logits, net(images))


class Recorder(nn.Module):
    """Counts how many of the tensors that it was given are still in memory."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.seen, self.most = net, [], 0

    def forward(self, images: Tensor) -> Tensor:
        self.most = max(self.most, sum(seen() is not None for seen in self.seen))
        self.seen.append(weakref.ref(images))
        return self.net(images)


def test_without_gradients_no_chunk_outlives_its_scores(
    method: Method, make_net: MakeNet, make_images: MakeImages
) -> None:
    recorder = Recorder(make_net())
    with torch.no_grad():
        replace(method, batch_size=2)(recorder, make_images(), Class(0))
    assert len(recorder.seen) > 20
    assert recorder.most == 0


def test_a_loss_on_the_map_trains_the_weights_of_a_smooth_model(method: Method, make_images: MakeImages) -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Softplus(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(27, 2)).double()
    images = make_images()

    def loss() -> Tensor:
        return method(net, images, Predicted()).attribution.square().sum()

    loss().backward()
    for parameter in (net[0].weight, net[0].bias, net[4].weight):
        direction = torch.randn_like(parameter)
        values = []
        with torch.no_grad():
            for step in (1e-5, -2e-5):
                parameter.add_(direction, alpha=step)
                values.append(loss().item())
            parameter.add_(direction, alpha=1e-5)
        slope = (parameter.grad * direction).sum().item()
        assert slope == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6)


def test_the_global_generator_is_left_alone(method: Method, make_net: MakeNet, make_images: MakeImages) -> None:
    before = torch.get_rng_state()
    method(make_net(), make_images(), Class(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_empty_batch_has_no_maps(method: Method, make_net: MakeNet) -> None:
    empty = torch.zeros(0, 2, 8, 8, dtype=torch.float64)
    assert method(make_net(), empty, Predicted()).attribution.shape == (0, 1, 8, 8)
    assert method(make_net(), empty, EveryClass()).attribution.shape == (0, 3, 1, 8, 8)


def test_images_without_a_place_are_refused(method: Method) -> None:
    with pytest.raises(ShapeError, match=r"images must have a spatial axis to be changed along, got \(2, 5\)"):
        method(nn.Linear(5, 3), torch.zeros(2, 5), Class(0))


def test_a_target_that_cannot_choose_again_is_refused(
    method: Method, make_net: MakeNet, make_images: MakeImages
) -> None:
    class Once(Target):
        def select(self, logits: Tensor) -> Selection:
            return Selection(logits[None, :, 0])

    net = make_net().train()
    with pytest.raises(SettingsError, match="again"):
        method(net, make_images(), Once())
    assert net.training


def test_half_precision_adds_up_in_single_precision(method: Method, make_images: MakeImages) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(128, 2))
    images = make_images().float()
    single = method(net, images, Class(0))
    half = method(net.bfloat16(), images.bfloat16(), Class(0))
    assert half.attribution.dtype == torch.bfloat16
    error = (half.attribution.float() - single.attribution).abs().max()
    assert error < 0.1 * single.attribution.abs().max()
    sums = weighted_sum(torch.full((1, 1000), 3.0, dtype=torch.bfloat16), torch.ones(1000, 2, dtype=torch.bool))
    assert sums.tolist() == [[3000, 3000]]
    assert sums.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert weighted_sum(torch.full((1, 3), 257.0), torch.ones(3, 1)).tolist() == [[771]]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Occlusion(batch_size=0), "batch_size must be at least 1, got 0"),
        (lambda: Occlusion(value="grey"), "value must be a finite number or 'mean', got 'grey'"),
        (lambda: Occlusion(value=float("nan")), "value must be a finite number or 'mean', got nan"),
        (lambda: Occlusion(window=0), "window must be at least 1 pixel along each axis, got 0"),
        (lambda: Occlusion(stride=(2, -1)), r"stride must be at least 1 pixel along each axis, got \(2, -1\)"),
        (lambda: RISE(masks=0), "masks must be at least 1, got 0"),
        (lambda: RISE(cells=0), "cells must be at least 1, got 0"),
        (lambda: RISE(probability=0.0), "probability must be above 0 and at most 1, got 0.0"),
        (lambda: LIME(segments=0), "segments must be at least 1, got 0"),
        (lambda: LIME(samples=-1), "samples must be at least 1, got -1"),
        (lambda: LIME(ridge=0.0), "ridge must be above 0, got 0.0"),
        (lambda: LIME(kernel_width=-1.0), "kernel_width must be above 0, got -1.0"),
        (lambda: LIME(value=float("inf")), "value must be a finite number or 'mean', got inf"),
    ],
)
def test_options_out_of_range_are_refused(build: Callable[[], Method], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build()
