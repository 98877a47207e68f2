import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sightline.errors import SettingsError
from sightline.guidance import background_loss, decay_for_share, ranked_pooling
from sightline.guidance.background_loss import evidence_loss

# |H| inside is 2 and 4, so H' is |H| / 3; outside it is 1/3 and 1, and 0 at the two places of the region
MAP = torch.tensor([[2.0, -4.0], [-1.0, 3.0]], dtype=torch.float64).reshape(1, 1, 1, 2, 2)
TOP = torch.tensor([[1.0, 1.0], [0.0, 0.0]], dtype=torch.float64).reshape(1, 1, 2, 2)


def literal_pooling(values: Tensor, decay: float) -> Tensor:
    """Pool as the formula is written: every value sorted, every weight."""
    weights = torch.tensor([decay**i for i in range(values.shape[-1])], dtype=torch.float64)
    ranked = values.double().sort(-1, descending=True).values
    return (ranked * weights).sum(-1) / weights.sum()


@pytest.mark.parametrize(
    ("decay", "slope", "pooled"),
    [
        (0.0, 1.0, 1.0),  # the worst pixel
        (1.0, 1.0, (1 + 1 / 3) / 4),  # the mean over all four places
        (0.5, 1.0, (1 + 0.5 / 3) / (1 + 0.5 + 0.25 + 0.125)),
        (0.5, 0.25, (1 + 0.5 / 3) / (1 + 0.5 + 0.25 + 0.125)),
    ],
)
def test_the_loss_is_the_cross_entropy_of_the_pooled_background(decay: float, slope: float, pooled: float) -> None:
    expected = -math.log(1 - pooled / (pooled + slope))
    torch.testing.assert_close(background_loss(MAP, TOP, decay=decay, slope=slope).item(), expected)


def test_channels_share_the_mean_inside_and_the_loss_is_averaged_over_them() -> None:
    second = torch.tensor([[0.0, -6.0], [0.0, 9.0]], dtype=torch.float64).reshape(1, 1, 1, 2, 2)
    maps = torch.cat([MAP, second], 2)  # mean inside (2 + 4 + 0 + 6) / 4 = 3, worst outside 3 / 3 and 9 / 3
    expected = (math.log(1 + 1) + math.log(1 + 3)) / 2
    torch.testing.assert_close(background_loss(maps, TOP, decay=0.0).item(), expected)


def test_a_place_half_inside_counts_half_on_either_side() -> None:
    regions = torch.tensor([[1.0, 0.5], [0.0, 0.0]], dtype=torch.float64).reshape(1, 1, 2, 2)
    mean = (2 * 1 + 4 * 0.5) / 1.5
    expected = math.log(1 + (4 * 0.5 + 1 + 3) / mean / 4)
    torch.testing.assert_close(background_loss(MAP, regions, decay=1.0).item(), expected)


def test_maps_and_images_do_not_mix() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 2, 2, 4, 5, generator=generator)
    regions = (torch.rand(3, 2, 4, 5, generator=generator) > 0.5).float()
    whole = background_loss(maps, regions, decay=0.7)
    for n in range(3):
        for m in range(2):
            one = background_loss(maps[n : n + 1, m : m + 1], regions[n : n + 1, m : m + 1], decay=0.7)
            torch.testing.assert_close(one[0, 0], whole[n, m])


@given(seed=st.integers(0, 2**31), decay=st.floats(0, 1))
def test_a_full_region_costs_nothing(seed: int, decay: float) -> None:
    maps = torch.randn(2, 1, 3, 5, 4, generator=torch.Generator().manual_seed(seed))
    assert background_loss(maps, torch.ones(2, 1, 5, 4), decay=decay).abs().max() == 0


def test_a_map_of_zeros_costs_nothing_and_has_a_finite_gradient() -> None:
    maps = torch.zeros(1, 1, 1, 2, 2, requires_grad=True)
    loss = background_loss(maps, TOP.float(), decay=0.5).sum()
    (gradient,) = torch.autograd.grad(loss, maps)
    assert loss == 0
    assert gradient.isfinite().all()


@given(seed=st.integers(0, 2**31), scale=st.floats(1e-3, 1e3), decay=st.floats(0, 1))
def test_scaling_a_map_leaves_the_loss_alone(seed: int, scale: float, decay: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(2, 2, 1, 4, 4, generator=generator, dtype=torch.float64)
    regions = torch.rand(2, 2, 4, 4, generator=generator, dtype=torch.float64)
    whole = background_loss(maps, regions, decay=decay)
    torch.testing.assert_close(background_loss(-scale * maps, regions, decay=decay), whole, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 2e-6), (torch.float64, 1e-14)])
@given(
    decay=st.one_of(st.sampled_from([0.0, 1.0, 1e-300, 1 - 1e-4, 1 - 1e-12]), st.floats(0, 1)),
    size=st.integers(1, 3000),
    seed=st.integers(0, 2**31),
)
def test_pooling_equals_a_full_sort(dtype: torch.dtype, rtol: float, decay: float, size: int, seed: int) -> None:
    values = torch.rand(2, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)
    pooled = ranked_pooling(values, decay=decay)
    assert pooled.dtype == dtype
    torch.testing.assert_close(pooled.double(), literal_pooling(values, decay), rtol=rtol, atol=0)


@pytest.mark.parametrize(("decay", "most"), [(1.0, 0), (0.0, 0), (0.9, 160)])
def test_only_ranks_that_are_felt_are_sorted(decay: float, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [0]
    topk = Tensor.topk

    def counting(self: Tensor, k: int, dim: int) -> tuple[Tensor, Tensor]:
        asked.append(k)
        return topk(self, k, dim)

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("sorted")

    monkeypatch.setattr(Tensor, "topk", counting)
    monkeypatch.setattr(Tensor, "sort", refused)
    monkeypatch.setattr(Tensor, "argsort", refused)
    ranked_pooling(torch.rand(2, 5000, generator=torch.Generator().manual_seed(0)), decay=decay)
    assert max(asked) <= most


def test_the_gradient_is_the_weight_of_the_rank() -> None:
    values = torch.tensor([0.2, 0.9, 0.4], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(ranked_pooling(values, decay=0.5), values)
    torch.testing.assert_close(gradient, torch.tensor([0.25, 1.0, 0.5], dtype=torch.float64) / 1.75)


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
def test_a_decay_outside_its_range_is_refused(decay: float) -> None:
    with pytest.raises(SettingsError, match=r"decay d must lie in \[0, 1\], got"):
        ranked_pooling(torch.ones(3), decay=decay)


@pytest.mark.parametrize(("share", "pixels", "decay"), [(0.01, 1000, 0.9), (1.0, 50, 1.0), (1e-3, 500, 0.0)])
def test_a_share_of_the_pixels_gives_the_decay(share: float, pixels: int, decay: float) -> None:
    assert decay_for_share(share, pixels) == pytest.approx(decay)


def test_relevance_within_the_tolerance_costs_nothing() -> None:
    maps = torch.tensor([[2.0, 2.0], [1.0, 0.5]]).view(1, 1, 1, 2, 2)  # mean inside 2, worst outside 0.5 of it
    top = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).view(1, 1, 2, 2)
    assert background_loss(maps, top, decay=0.0, tolerance=0.5).item() == 0
    torch.testing.assert_close(background_loss(maps, top, decay=0.0, tolerance=0.2), torch.tensor([[math.log(1.3)]]))


NOWHERE = torch.zeros(1, 1, 2, 2, dtype=torch.float64)


@pytest.mark.parametrize(("slope", "tolerance", "expected"), [(1.0, 0.0, 0.5), (0.25, 0.0, 2.0), (1.0, 0.35, 0.15)])
@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_where_nothing_is_allowed_only_what_speaks_for_the_class_costs(
    decay: float, slope: float, tolerance: float, expected: float
) -> None:
    """2 and 3 of 10 speak for the class; the pooling plays no part."""
    loss = background_loss(MAP, NOWHERE, decay=decay, slope=slope, tolerance=tolerance)
    torch.testing.assert_close(loss.item(), math.log1p(expected))
    assert background_loss(-MAP.abs(), NOWHERE, decay=decay, slope=slope, tolerance=tolerance) == 0
    most = background_loss(MAP.abs(), NOWHERE, decay=decay, slope=slope, tolerance=tolerance)
    torch.testing.assert_close(most.item(), math.log1p((1 - tolerance) / slope))


def test_what_speaks_for_an_absent_class_is_a_share_of_all_channels() -> None:
    maps = torch.cat([MAP, torch.full_like(MAP, -10.0)], 2)  # 5 of 50
    torch.testing.assert_close(evidence_loss(maps).item(), math.log1p(0.1))
    torch.testing.assert_close(evidence_loss(1e-6 * maps), evidence_loss(1e6 * maps))


def test_maps_without_a_region_do_not_touch_those_with_one() -> None:
    maps = MAP.expand(2, 2, 1, 2, 2).clone().requires_grad_()
    regions = TOP.expand(2, 2, 2, 2).clone()
    regions[0, 1] = regions[1, 0] = 0
    losses = background_loss(maps, regions, decay=0.5)
    open_, closed = background_loss(MAP, TOP, decay=0.5), background_loss(MAP, NOWHERE, decay=0.5)
    torch.testing.assert_close(losses.detach(), torch.cat([open_, closed, closed, open_]).reshape(2, 2))
    (gradient,) = torch.autograd.grad(losses.sum(), maps)
    (alone,) = torch.autograd.grad(background_loss(maps[:1, :1], TOP, decay=0.5), maps)
    torch.testing.assert_close(gradient[0, 0], alone[0, 0])
    assert gradient.isfinite().all()


def test_the_gradient_of_what_speaks_for_an_absent_class_is_that_of_finite_differences() -> None:
    maps = torch.randn(2, 1, 2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    nowhere = torch.zeros(2, 1, 3, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda m: background_loss(m, nowhere, decay=0.5, tolerance=0.1), maps)
    zero = torch.zeros(1, 1, 1, 2, 2, requires_grad=True)
    loss = background_loss(zero, NOWHERE.float(), decay=0.5)
    (gradient,) = torch.autograd.grad(loss.sum(), zero)
    assert loss == 0
    assert gradient.isfinite().all()
