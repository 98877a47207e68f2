from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError
from sightline.metrics.sensitivity import (
    Sampling,
    gaussian_noise,
    infidelity,
    max_sensitivity,
    removed_square,
    sensitivity_n,
)

SIZES = [(7,), (4, 5), (3, 2, 4)]
seeds = st.integers(0, 2**32 - 1)
FEW = Sampling(draws=12)
MANY = Sampling(draws=5000, batch_size=1000)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(weights: Tensor, bias: float = 0.0) -> Callable[[Tensor], Tensor]:
    return lambda images: (images * weights).flatten(1).sum(1) + bias


def total(images: Tensor) -> Tensor:
    return images.flatten(1).sum(1)


@pytest.fixture(scope="module")
def net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 1), nn.Flatten(0)).double()


def gradient(model: nn.Module, images: Tensor) -> Tensor:
    leaf = images.detach().requires_grad_()
    (result,) = torch.autograd.grad(model(leaf).sum(), leaf)
    return result


@given(seeds, st.sampled_from(SIZES), st.integers(1, 6))
def test_contributions_to_a_linear_score_have_correlation_one(seed: int, size: tuple[int, ...], n: int) -> None:
    weights, images, other = draw(seed, 1, 2, *size), draw(seed + 1, 3, 2, *size), draw(seed + 2, 2, *size)
    ones = torch.ones(3, dtype=torch.float64)
    contributions = weights * (images - other)
    value = sensitivity_n(linear(weights, 3), images, contributions, n, baseline=other, sampling=FEW)
    torch.testing.assert_close(value, ones)
    value = sensitivity_n(linear(weights), images, -1e-150 * weights * images, n, sampling=FEW)
    torch.testing.assert_close(value, -ones)


def test_correlation_of_single_pixels_by_hand() -> None:
    # removing 1, 2 or 3 costs 1, 2 or 3; the map says 1, 0 or 2
    images = torch.tensor([[[1.0, 2.0, 3.0]]], dtype=torch.float64)
    maps = torch.tensor([[[1.0, 0.0, 2.0]]], dtype=torch.float64)
    value = sensitivity_n(total, images, maps, 1, sampling=MANY)
    assert value.item() == pytest.approx(1 / 2, abs=0.03)
    # of all pairs the sums are 1, 3, 2 and the costs 3, 4, 5
    value = sensitivity_n(total, images, maps, 2, sampling=MANY)
    assert value.item() == pytest.approx(1 / 2, abs=0.03)


def test_subsets_have_n_pixels_with_all_their_channels() -> None:
    seen = []

    def score(images: Tensor) -> Tensor:
        seen.append(images)
        return total(images)

    sensitivity_n(score, torch.ones(2, 3, 4, 4), draw(0, 2, 1, 4, 4), 5, sampling=FEW)
    removed = torch.cat(seen) == 0
    assert (removed[:, :1] == removed).all()
    assert (removed[:, 0].flatten(1).sum(1) == 5).all()
    assert removed.unique(dim=0).shape[0] == 12


def test_correlation_with_nothing_that_varies_is_undefined() -> None:
    images = torch.rand(5, 1, 3, 3)
    maps = torch.rand(5, 1, 3, 3)
    maps[0], maps[1], maps[2, 0, 0, 0] = 0, 0.1, float("nan")
    value = sensitivity_n(lambda x: x.flatten(1)[:, 1:].sum(1), images, maps, 3)
    assert value.isnan().tolist() == [True, True, True, False, False]
    assert sensitivity_n(lambda x: 0.7 + 0 * total(x), images, maps, 3).isnan().all()


@given(seeds, st.sampled_from(SIZES))
def test_infidelity_of_a_linear_score_is_zero_for_its_contributions(seed: int, size: tuple[int, ...]) -> None:
    weights, images, other = draw(seed, 1, 2, *size), draw(seed + 1, 3, 2, *size), draw(seed + 2, 2, *size)
    zeros = torch.zeros(3, dtype=torch.float64)
    score = linear(weights, 3)
    assert torch.allclose(infidelity(score, images, weights * images, sampling=FEW), zeros)
    square = partial(removed_square, baseline=other, side=0.5)
    value = infidelity(score, images, weights * (images - other), perturb=square, sampling=FEW)
    assert torch.allclose(value, zeros)
    pooled = (weights * images).sum(1, keepdim=True)
    assert torch.allclose(infidelity(score, images, pooled, sampling=FEW), zeros)
    local = weights.expand_as(images)
    assert torch.allclose(infidelity(score, images, local, perturb=gaussian_noise, sampling=FEW), zeros)
    scaled = infidelity(score, images, -1e-200 * weights * images, scaled=True, sampling=FEW)
    assert torch.allclose(scaled, zeros)


def test_infidelity_by_hand() -> None:
    # one of two pixels goes: costs 3 or 4, the map says 1 or 4; both happen
    images = torch.tensor([[[3.0, 4.0]]], dtype=torch.float64)
    maps = torch.tensor([[[1.0, 4.0]]], dtype=torch.float64)
    square = partial(removed_square, side=0.5)
    value = infidelity(total, images, maps, perturb=square, sampling=MANY)
    assert value.item() == pytest.approx(2**2 / 2, abs=0.1)
    # best factor (1 * 3 + 4 * 4) / (1 + 16) = 19/17, errors 3 - 19/17 and 4 - 76/17
    value = infidelity(total, images, maps, perturb=square, scaled=True, sampling=MANY)
    assert value.item() == pytest.approx(((32 / 17) ** 2 + (8 / 17) ** 2) / 2, abs=0.1)
    nothing = infidelity(total, images, torch.zeros_like(maps), perturb=square, sampling=MANY)
    assert nothing.item() == pytest.approx((9 + 16) / 2, abs=0.1)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("perturb", [removed_square, gaussian_noise])
def test_infidelity_agrees_with_captum(
    net: nn.Module, perturb: Callable[..., tuple[Tensor, Tensor]], scaled: bool
) -> None:
    metrics = pytest.importorskip("captum.metrics")
    images = draw(0, 3, 2, 6, 6)
    maps = gradient(net, images) * (images if perturb is removed_square else 1)
    ours = infidelity(net, images, maps, perturb=perturb, scaled=scaled, sampling=FEW)
    for index in range(3):
        generator = torch.Generator().manual_seed(FEW.seed)

        def replay(
            repeated: Tensor, generator: torch.Generator = generator, index: int = index
        ) -> tuple[Tensor, Tensor]:
            drawn = [perturb(images[index : index + 1], generator) for _ in repeated]
            weights = torch.cat([weight.expand(1, 2, 6, 6) for weight, _ in drawn])
            return weights, repeated - torch.cat([removed for _, removed in drawn])

        one = slice(index, index + 1)
        theirs = metrics.infidelity(net, replay, images[one], maps[one], n_perturb_samples=FEW.draws, normalize=scaled)
        torch.testing.assert_close(ours[one], theirs.detach())


def test_maps_that_are_not_finite_or_cannot_be_scaled_are_undefined() -> None:
    images = torch.rand(3, 1, 3, 3)
    maps = torch.rand(3, 1, 3, 3)
    maps[0], maps[1, 0, 0, 0] = 0, float("nan")
    assert infidelity(total, images, maps, sampling=FEW).isnan().tolist() == [False, True, False]
    assert infidelity(total, images, maps, scaled=True, sampling=FEW).isnan().tolist() == [True, True, False]


@pytest.mark.parametrize("size", SIZES)
def test_squares_have_their_size_and_reach_every_corner(size: tuple[int, ...]) -> None:
    images, generator = torch.ones(1, 2, *size), torch.Generator().manual_seed(0)
    reached = torch.zeros(size)
    for _ in range(200):
        inside, removed = removed_square(images, generator, side=0.5)
        assert inside.sum() == torch.tensor([max(1, round(0.5 * length)) for length in size]).prod()
        assert torch.equal(removed, inside.expand_as(images))
        reached += inside[0, 0]
    assert (reached > 0).all()


@pytest.mark.parametrize("metric", [infidelity, partial(sensitivity_n, n=4)])
def test_an_image_scores_the_same_in_any_batch(net: nn.Module, metric: Callable[..., Tensor]) -> None:
    images, maps = draw(0, 5, 2, 6, 6), draw(1, 5, 2, 6, 6)
    state = torch.random.get_rng_state()
    whole = metric(net, images, maps)
    assert not whole.requires_grad
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.testing.assert_close(metric(net, images, maps, sampling=Sampling(batch_size=1)), whole)
    torch.testing.assert_close(metric(net, images[2:3], maps[2:3]), whole[2:3])
    assert not torch.allclose(metric(net, images, maps, sampling=Sampling(seed=1)), whole)


def test_constant_explanations_have_no_sensitivity() -> None:
    images = draw(0, 3, 1, 4, 4)
    assert max_sensitivity(lambda model, given: torch.ones_like(given), nn.Identity(), images).tolist() == [0, 0, 0]


@given(seeds, st.sampled_from(SIZES))
def test_sensitivity_of_the_identity_is_the_longest_step(seed: int, size: tuple[int, ...]) -> None:
    images = draw(seed, 2, 2, *size)
    steps = []

    def explain(model: nn.Module, given: Tensor) -> Tensor:
        steps.append(given - images)
        return 1e-200 * given

    value = max_sensitivity(explain, nn.Identity(), images, radius=0.1, draws=6, seed=seed)
    moved = torch.stack(steps).flatten(2)
    assert moved[0].eq(0).all()
    assert moved.abs().max() <= 0.1 + 1e-12
    assert torch.allclose(moved[1:, 0], moved[1:, 1])
    torch.testing.assert_close(value, moved.norm(dim=2).amax(0) / images.flatten(1).norm(dim=1))


def test_max_sensitivity_agrees_with_captum(net: nn.Module) -> None:
    metrics = pytest.importorskip("captum.metrics")
    images = draw(0, 3, 2, 6, 6)
    ours = max_sensitivity(gradient, net, images, radius=0.1, draws=6)

    @torch.enable_grad()
    def explain(given: Tensor | tuple[Tensor]) -> Tensor | tuple[Tensor]:
        return (gradient(net, given[0]),) if isinstance(given, tuple) else gradient(net, given)

    for index in range(3):
        one = images[index : index + 1]
        generator = torch.Generator().manual_seed(0)

        def replay(repeated: Tensor, radius: float, generator: torch.Generator = generator) -> Tensor:
            uniform = [torch.rand((1, 2, 6, 6), generator=generator, dtype=torch.float64) for _ in repeated]
            return repeated + radius * (2 * torch.cat(uniform) - 1)

        theirs = metrics.sensitivity_max(explain, one, perturb_func=replay, perturb_radius=0.1, n_perturb_samples=6)
        torch.testing.assert_close(ours[index : index + 1], theirs)


def test_sensitivity_of_empty_or_broken_maps_is_undefined() -> None:
    images = torch.ones(4, 1, 2, 2)

    def explain(model: nn.Module, given: Tensor) -> Tensor:
        maps = given.clone()
        maps[0] = 0
        if not given.eq(1).all():
            maps[1, 0, 0, 0], maps[2, 0, 0, 0] = float("nan"), float("inf")
        return maps

    value = max_sensitivity(explain, nn.Identity(), images)
    assert value.isnan().tolist() == [True, True, True, False]


def test_settings_and_shapes_are_checked() -> None:
    images = torch.rand(2, 3, 4, 4)
    with pytest.raises(SettingsError, match="n must lie in 1 to 15, all pixels but one, got 16"):
        sensitivity_n(total, images, images, 16)
    with pytest.raises(SettingsError, match="draws must be at least 1, got 0"):
        Sampling(draws=0)
    with pytest.raises(SettingsError, match="side"):
        infidelity(total, images, images, perturb=partial(removed_square, side=0))
    with pytest.raises(ShapeError, match=r"attribution must be \(2, 3, \*S\).*got \(2, 1, 4, 4\); spread"):
        infidelity(total, images, images[:, :1], perturb=gaussian_noise)
    with pytest.raises(ShapeError, match="resize"):
        infidelity(total, images, images[..., 1:])
    with pytest.raises(SettingsError, match="got 0 and 10"):
        max_sensitivity(lambda model, given: given, nn.Identity(), images, radius=0)
