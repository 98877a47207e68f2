from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError
from sightline.metrics.perturbation_curves import blurred, deletion_curve, insertion_curve, pixel_flipping

SIZES = [(7,), (4, 5), (3, 2, 4)]
seeds = st.integers(0, 2**32 - 1)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(weights: Tensor, bias: float = 0.0) -> Callable[[Tensor], Tensor]:
    return lambda images: (images * weights).flatten(1).sum(1) + bias


def total(images: Tensor) -> Tensor:
    return images.flatten(1).sum(1)


def one(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)[None, None]


def test_curves_by_hand() -> None:
    images, maps = one([[1, 2], [4, 8]]), one([[5, -1], [7, 0]])
    deletion = deletion_curve(total, images, maps)
    assert deletion.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert deletion.scores.tolist() == [[15, 11, 10, 2, 0]]
    assert deletion.area().item() == (13 + 10.5 + 6 + 1) / 4
    assert deletion.mean_drop().item() == (0 + 4 + 5 + 13 + 15) / 5
    insertion = insertion_curve(total, images, maps, baseline=torch.zeros(1))
    assert insertion.scores.tolist() == [[0, 4, 5, 13, 15]]
    halves = deletion_curve(total, images, maps, baseline=torch.ones(()), steps=2)
    assert halves.shares.tolist() == [0, 0.5, 1]
    assert halves.scores.tolist() == [[15, 12, 4]]


def test_channels_of_a_pixel_are_summed_and_go_together() -> None:
    images = torch.cat([one([[1, 2]]), one([[10, 20]])], 1)
    maps = torch.cat([one([[3, 0]]), one([[-9, 0]])], 1)
    assert deletion_curve(total, images, maps).scores.tolist() == [[33, 11, 0]]


def test_ties_come_as_they_are_stored() -> None:
    images, maps = one([[1, 2, 4], [8, 16, 32]]), one([[0, 1, 0], [0, 1, 0]])
    assert deletion_curve(total, images, maps).scores.tolist() == [[63, 61, 45, 44, 40, 32, 0]]


@given(seeds, st.sampled_from(SIZES))
def test_curve_of_a_linear_score_is_the_running_sum_of_contributions(seed: int, size: tuple[int, ...]) -> None:
    weights, images, other = draw(seed, 1, 2, *size), draw(seed + 1, 3, 2, *size), draw(seed + 2, 1, 2, *size)
    contributions = weights * (images - other)
    ordered = contributions.sum(1).flatten(1).sort(1, descending=True).values
    run = torch.cat([torch.zeros(3, 1), ordered.cumsum(1)], 1)
    deletion = deletion_curve(linear(weights, 2), images, contributions, baseline=other, steps=1000)
    torch.testing.assert_close(deletion.scores, linear(weights, 2)(images)[:, None] - run)
    insertion = insertion_curve(linear(weights, 2), images, contributions, baseline=other, steps=1000)
    torch.testing.assert_close(insertion.scores, linear(weights, 2)(other) + run)
    torch.testing.assert_close(deletion.mean_drop(), run.mean(1))


@given(seeds, st.sampled_from(SIZES))
def test_no_order_deletes_a_linear_score_faster_than_its_contributions(seed: int, size: tuple[int, ...]) -> None:
    weights, images, guess = draw(seed, 1, 2, *size), draw(seed + 1, 3, 2, *size), draw(seed + 2, 3, 2, *size)
    best, random = (deletion_curve(linear(weights), images, maps) for maps in (weights * images, guess))
    assert (best.area() <= random.area() + 1e-12).all()
    worst = deletion_curve(linear(weights), images, -weights * images)
    assert (worst.area() >= random.area() - 1e-12).all()


@given(seeds)
def test_the_order_of_the_relevance_is_all_that_counts(seed: int) -> None:
    images, maps = draw(seed, 2, 1, 4, 4), draw(seed + 1, 2, 1, 4, 4)
    curve = deletion_curve(total, images, maps)
    for same in (1e-300 * maps, maps.exp(), maps**3):
        assert torch.equal(deletion_curve(total, images, same).scores, curve.scores)
    turned = insertion_curve(total, torch.zeros_like(images), maps, baseline=images)
    assert torch.equal(turned.scores, curve.scores)


@pytest.mark.parametrize("curve", [deletion_curve, insertion_curve, partial(pixel_flipping, side=2)])
def test_an_image_scores_the_same_in_any_batch(curve: Callable[..., object]) -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 1)).double()
    images, maps = draw(0, 5, 2, 6, 6), draw(1, 5, 1, 6, 6)

    def score(given_images: Tensor) -> Tensor:
        return net(given_images)[:, 0]

    whole = curve(score, images, maps, steps=7)
    assert not whole.scores.requires_grad
    for batch_size in (1, 13):
        torch.testing.assert_close(curve(score, images, maps, steps=7, batch_size=batch_size).scores, whole.scores)
    torch.testing.assert_close(curve(score, images[3:4], maps[3:4], steps=7).scores, whole.scores[3:4])


def test_curves_agree_with_a_plain_loop() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4), nn.Softmax(1)).double()
    image, saliency = draw(0, 1, 1, 6, 6), draw(1, 6, 6).abs()
    order = np.argsort(-saliency.flatten().numpy(), kind="stable")
    start, finish = image.clone(), torch.zeros_like(image)
    heights = [net(start)[0, 2].item()]
    for chunk in np.array_split(order, 6):
        start.view(-1)[chunk] = finish.view(-1)[chunk]
        heights.append(net(start)[0, 2].item())
    curve = deletion_curve(lambda images: net(images)[:, 2], image, saliency[None, None], steps=6)
    np.testing.assert_allclose(curve.scores[0], heights)
    area = (sum(heights) - heights[0] / 2 - heights[-1] / 2) / 6  # as the authors' code has it
    assert curve.area().item() == pytest.approx(area)


def test_maps_that_give_no_order_are_undefined() -> None:
    images = torch.ones(5, 1, 2, 2)
    maps = torch.arange(20.0).view(5, 1, 2, 2)
    maps[0], maps[1], maps[2, 0, 0, 0], maps[3, 0, 1, 1] = 0, 3, float("nan"), float("inf")
    for function in (deletion_curve, insertion_curve, partial(pixel_flipping, side=1)):
        curve = function(total, images, maps)
        assert curve.scores.isnan().all(1).tolist() == [True, True, True, True, False]
        assert not curve.scores[4].isnan().any()
        assert curve.area().isnan().tolist() == curve.mean_drop().isnan().tolist() == [True] * 4 + [False]


def test_insertion_begins_with_the_blurred_image() -> None:
    images, maps = draw(0, 2, 1, 9, 9), draw(1, 2, 1, 9, 9)
    centre = torch.zeros(9, 9, dtype=torch.float64)
    centre[4, 4] = 1
    curve = insertion_curve(linear(centre), images, maps)
    assert curve.scores[:, -1].tolist() == images[:, 0, 4, 4].tolist()
    torch.testing.assert_close(curve.scores[:, 0], blurred(images)[:, 0, 4, 4])


def test_blur_runs_along_the_spatial_axes_alone() -> None:
    images = draw(0, 2, 3, 8, 9)
    expected = [[gaussian_filter(channel.numpy(), 2.0) for channel in image] for image in images]
    np.testing.assert_allclose(blurred(images, sigma=2), np.array(expected))
    torch.testing.assert_close(blurred(torch.full((1, 2, 4, 4, 4), 3.0)), torch.full((1, 2, 4, 4, 4), 3.0))
    assert blurred(images.half()).dtype == torch.float16


def test_blocks_are_ordered_by_their_sum_and_cut_at_the_edge() -> None:
    images = one([[1, 2, 4], [8, 16, 32], [64, 128, 256]])
    maps = one([[0, 1, 9], [1, 0, -5], [2, 1, 5]])  # blocks: 2, 4 over 3, 5
    curve = pixel_flipping(total, images, maps, side=2)
    fill = torch.rand((1, 1, 3, 3), generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 255 + 1
    gain = (fill - images)[0, 0]
    steps = [gain[2, 2], gain[:2, 2].sum(), gain[2, :2].sum(), gain[:2, :2].sum()]
    assert curve.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    torch.testing.assert_close(curve.scores[0], 511 + torch.tensor([0.0, *steps], dtype=torch.float64).cumsum(0))


def test_flipping_stops_after_as_many_blocks_as_asked_for() -> None:
    images, maps = draw(0, 2, 3, 20, 20), draw(1, 2, 3, 20, 20)
    curve = pixel_flipping(total, images, maps, steps=3)
    assert curve.shares.tolist() == pytest.approx([0, 1 / 9, 2 / 9, 3 / 9])
    torch.testing.assert_close(curve.scores, pixel_flipping(total, images, maps).scores[:, :4])
    expected = torch.trapezoid(curve.scores, dx=1) / 3
    torch.testing.assert_close(curve.area(), expected)


def test_noise_lies_in_the_range_of_each_channel_and_comes_from_the_seed() -> None:
    images = torch.stack([torch.linspace(0, 1, 25), torch.linspace(5, 9, 25)]).view(1, 2, 5, 5)
    seen = []

    def score(given_images: Tensor) -> Tensor:
        seen.append(given_images)
        return total(given_images)

    first = pixel_flipping(score, images, draw(0, 1, 1, 5, 5), side=1)
    noise = seen[0][-1]
    assert ((noise[0] >= 0) & (noise[0] <= 1) & (noise[1] >= 5) & (noise[1] <= 9)).all()
    assert noise[0].std() > 0.2
    state = torch.random.get_rng_state()
    assert torch.equal(pixel_flipping(score, images, draw(0, 1, 1, 5, 5), side=1).scores, first.scores)
    assert not torch.equal(pixel_flipping(score, images, draw(0, 1, 1, 5, 5), side=1, seed=1).scores, first.scores)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_settings_and_shapes_are_checked() -> None:
    images = torch.rand(2, 1, 4, 4)
    with pytest.raises(SettingsError, match="steps must be at least 1, got 0"):
        deletion_curve(total, images, images, steps=0)
    with pytest.raises(SettingsError, match="got 0 and 100"):
        pixel_flipping(total, images, images, side=0)
    with pytest.raises(SettingsError, match=r"side 9 leaves one block of \(4, 4\) pixels"):
        pixel_flipping(total, images, images)
    with pytest.raises(ShapeError, match="resize the maps"):
        insertion_curve(total, images, images[..., :2])
    with pytest.raises(ShapeError, match="baseline"):
        deletion_curve(total, images, images, baseline=torch.zeros(3))
