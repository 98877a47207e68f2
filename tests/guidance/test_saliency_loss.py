import math
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sightline.errors import SettingsError, ShapeError
from sightline.guidance import comparable, known_mean, saliency_loss
from sightline.guidance.saliency_loss import SaliencyKind

KINDS = get_args(SaliencyKind)
DENSITIES = ("kl", "cc", "hs")
# softmax of the logits: (1, 2, 3, 4) / 10; region by its sum: (2, 0, 1, 1) / 4
MAP = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64).log().reshape(1, 1, 2, 2)
REGION = torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=torch.float64).reshape(1, 1, 2, 2)


def drawn(kind: SaliencyKind, *size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(3, 2, *size, generator=generator, dtype=torch.float64)
    return maps, torch.rand(3, 1, *size, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("kl", 0.5 * math.log(0.5 / 0.1) + 0.25 * math.log(0.25 / 0.3) + 0.25 * math.log(0.25 / 0.4)),
        # deviations from 1/4: (-.15, -.05, .05, .15) and (.25, -.25, 0, 0)
        ("cc", 1 - (-0.15 * 0.25 + 0.05 * 0.25) / math.sqrt(0.05 * 0.125)),
        ("hs", 1 - (0.1 + 0 + 0.25 + 0.25)),
        # sigmoid of ln z is z / (1 + z): 1/2, 2/3, 3/4, 4/5
        ("bce", -(math.log(1 / 2) + math.log(1 / 3) + 0.5 * math.log(3 / 16) + 0.5 * math.log(4 / 25)) / 4),
        ("mse", (0.25 + 4 / 9 + 0.0625 + 0.09) / 4),
    ],
)
def test_losses_by_hand(kind: SaliencyKind, expected: float) -> None:
    torch.testing.assert_close(saliency_loss(MAP, REGION, kind).item(), expected, rtol=1e-6, atol=0)


def test_cross_entropy_of_two_maps_is_the_binary_one_of_their_difference() -> None:
    two = torch.cat([torch.full_like(MAP, 3.0), MAP + 3], 1)
    expected = saliency_loss(MAP, REGION, "bce")
    torch.testing.assert_close(saliency_loss(two, REGION, "cross_entropy"), expected)
    hard = (REGION > 0.5).long()[:, 0]
    torch.testing.assert_close(
        saliency_loss(two, hard[:, None].double(), "cross_entropy").mean(), F.cross_entropy(two, hard)
    )


@pytest.mark.parametrize("kind", DENSITIES)
def test_a_map_that_is_the_region_costs_nothing(kind: SaliencyKind) -> None:
    maps = (REGION + 1e-12).log() + 5
    torch.testing.assert_close(saliency_loss(maps, 0.3 * REGION, kind).item(), 0.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", DENSITIES)
@given(seed=st.integers(0, 2**31), scale=st.floats(1e-3, 1), offset=st.floats(-50, 50))
def test_a_density_has_neither_scale_nor_offset(kind: SaliencyKind, seed: int, scale: float, offset: float) -> None:
    maps, regions = drawn(kind, 3, 4, seed=seed)
    expected = saliency_loss(maps, regions, kind)
    torch.testing.assert_close(saliency_loss(maps + offset, scale * regions, kind), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(3, 4), (2, 3, 2)])
def test_maps_and_images_do_not_mix(kind: SaliencyKind, size: tuple[int, ...]) -> None:
    maps, regions = drawn(kind, *size)
    whole = saliency_loss(maps, regions, kind)
    assert whole.shape == (3, 1 if kind == "cross_entropy" else 2)
    order = [2, 0, 1]
    torch.testing.assert_close(saliency_loss(maps[order], regions[order], kind), whole[order])
    if kind != "cross_entropy":
        torch.testing.assert_close(saliency_loss(maps[1:2, 1:], regions[1:2], kind)[0, 0], whole[1, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_finite_differences(kind: SaliencyKind) -> None:
    maps, regions = drawn(kind, 2, 3)
    maps.requires_grad_()
    assert torch.autograd.gradcheck(lambda m: saliency_loss(m, regions, kind), maps)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_region_costs_nothing_and_pulls_at_nothing(kind: SaliencyKind) -> None:
    maps, regions = drawn(kind, 3, 4)
    regions[1] = torch.nan
    maps.requires_grad_()
    losses = saliency_loss(maps, regions, kind)
    (gradient,) = torch.autograd.grad(losses.sum(), maps)
    assert comparable(regions, kind)[:, 0].tolist() == [True, False, True]
    assert (losses[1] == 0).all()
    assert (gradient[1] == 0).all()
    assert (gradient[[0, 2]] != 0).any(1).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("value", "left_out"), [(0.0, ("kl", "cc", "hs")), (0.5, ("cc",))])
def test_an_even_region_is_compared_only_where_that_says_something(
    kind: SaliencyKind, value: float, left_out: tuple[str, ...]
) -> None:
    maps, regions = drawn(kind, 3, 4)
    maps.requires_grad_()
    losses = saliency_loss(maps, torch.full_like(regions, value), kind)
    (gradient,) = torch.autograd.grad(losses.sum(), maps)
    assert comparable(torch.full_like(regions, value), kind).all() == (kind not in left_out)
    assert bool((losses == 0).all()) == (kind in left_out)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_an_even_map_has_a_finite_gradient(kind: SaliencyKind) -> None:
    _, regions = drawn(kind, 3, 4)
    maps = torch.zeros(3, 2, 3, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(saliency_loss(maps, regions.float(), kind).sum(), maps)
    assert gradient.isfinite().all()
    assert gradient.any()


def test_regions_are_brought_to_the_size_of_the_maps_by_area() -> None:
    blocks = REGION.repeat_interleave(2, 2).repeat_interleave(2, 3)
    blocks[..., :2, :2] += torch.tensor([[0.0, -0.2], [-0.6, 0.0]])
    coarse = REGION.clone()
    coarse[..., 0, 0] = 0.8
    torch.testing.assert_close(saliency_loss(MAP, blocks, "mse"), saliency_loss(MAP, coarse, "mse"))


def test_each_map_may_have_a_region_of_its_own() -> None:
    maps, regions = drawn("mse", 3, 4)
    both = torch.cat([regions, 1 - regions], 1)
    losses = saliency_loss(maps, both, "mse")
    torch.testing.assert_close(losses[:, 1:], saliency_loss(maps[:, 1:], 1 - regions, "mse"))


def test_losses_are_counted_in_float32_also_under_autocast() -> None:
    maps, regions = drawn("kl", 8, 8)
    expected = saliency_loss(maps.float(), regions.float(), "kl")
    with torch.autocast("cpu", torch.bfloat16):
        wide = saliency_loss(maps.float(), F.interpolate(regions.float(), (16, 16)), "kl")
        narrow = saliency_loss(maps.bfloat16(), regions.float(), "kl")
    torch.testing.assert_close(wide, expected)
    assert narrow.dtype == torch.float32


def test_the_mean_is_over_what_is_known() -> None:
    losses = torch.tensor([[1.0, 2.0], [4.0, 5.0]], requires_grad=True)
    assert known_mean(losses, torch.tensor([[True], [False]])).item() == 1.5
    assert known_mean(losses, torch.tensor([[True, False], [True, True]])).item() == pytest.approx(10 / 3)
    nothing = known_mean(losses, torch.zeros(2, 1, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(nothing, losses)
    assert nothing == 0
    assert (gradient == 0).all()


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"kind must be one of kl, .* got 'nss'"):
        saliency_loss(MAP, REGION, "nss")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"cross_entropy needs maps \(N, 2, \*S\), .* got \(1, 1, 2, 2\)"):
        saliency_loss(MAP, REGION, "cross_entropy")
    with pytest.raises(ShapeError, match=r"regions must be \(1, 1, \*S\) with 2 spatial axes, got \(1, 3, 2, 2\)"):
        saliency_loss(MAP, REGION.expand(-1, 3, -1, -1), "kl")
    with pytest.raises(ShapeError, match=r"regions must be \(1, 1 or 2, \*S\) .* got \(1, 1, 2\)"):
        saliency_loss(MAP.expand(-1, 2, -1, -1), REGION[..., 0], "kl")
