import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sightline.errors import ShapeError
from sightline.guidance import forbidden_attention, linear_attention
from sightline.types import LinearAnswer

NAN = float("nan")
DOUBLE = {"dtype": torch.float64}
LN3 = math.log(3)
# of two classes on 2 x 2 places: -ln(1 - sigmoid) is ln 2, ln 4, ln 4/3 and ln 2; then ln 4 throughout
ATTENTION = torch.tensor([[[[0.0, LN3], [-LN3, 0.0]], [[LN3, LN3], [LN3, LN3]]]], **DOUBLE)
LOWER = torch.tensor([[0.0, 0.0], [1.0, 1.0]], **DOUBLE)  # the lower row is allowed
REGIONS = torch.stack([LOWER, 1 - LOWER])[None]
OPTIONS = [{"penalty": penalty, "reduction": reduction} for penalty in ("log", "l2") for reduction in ("mean", "sum")]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (math.log(2) + 3 * math.log(4)) / 4),
        ({"reduction": "sum"}, math.log(2) + 3 * math.log(4)),
        ({"penalty": "l2"}, math.sqrt(3 * LN3**2 / 4)),
        ({"penalty": "l2", "reduction": "sum"}, math.sqrt(3) * LN3),
    ],
)
def test_each_loss_is_its_value_by_hand(options: dict[str, Any], expected: float) -> None:
    """The upper row of the first class and the lower row of the second are forbidden."""
    torch.testing.assert_close(forbidden_attention(ATTENTION, REGIONS, **options).item(), expected)
    cube = [part.unsqueeze(-1).expand(*part.shape, 2) for part in (ATTENTION, REGIONS)]
    more = {"mean": 1, "sum": 2 if options.get("penalty") != "l2" else math.sqrt(2)}[options.get("reduction", "mean")]
    torch.testing.assert_close(forbidden_attention(*cube, **options).item(), more * expected)


def test_the_mean_is_what_binary_cross_entropy_says_of_the_forbidden_places() -> None:
    generator = torch.Generator().manual_seed(0)
    attention = torch.randn(1, 4, 3, 2, 2, generator=generator, **DOUBLE)
    regions = (torch.rand(1, 4, 3, 2, 2, generator=generator) < 0.4).double()
    forbidden = attention[regions == 0]
    expected = F.binary_cross_entropy_with_logits(forbidden, torch.zeros_like(forbidden))
    torch.testing.assert_close(forbidden_attention(attention, regions)[0], expected)
    expected = -(1 - forbidden.sigmoid()).log().sum()
    torch.testing.assert_close(forbidden_attention(attention, regions, reduction="sum")[0], expected)


@pytest.mark.parametrize("options", OPTIONS)
def test_where_all_is_allowed_nothing_is_lost_and_nothing_learnt(options: dict[str, Any]) -> None:
    attention = ATTENTION.clone().requires_grad_()
    loss = forbidden_attention(attention, torch.ones(1, 1, 2, 2, **DOUBLE), **options)
    (gradient,) = torch.autograd.grad(loss.sum(), attention)
    assert loss.tolist() == [0]
    assert (gradient == 0).all()


@pytest.mark.parametrize("options", OPTIONS)
def test_attention_of_absent_classes_is_forbidden_throughout(options: dict[str, Any]) -> None:
    everywhere = forbidden_attention(ATTENTION, torch.zeros(1, 2, 2, 2, **DOUBLE), **options)
    total = {"log": F.softplus(ATTENTION).sum(), "l2": ATTENTION.norm()}[options["penalty"]]
    count = {"log": 8, "l2": math.sqrt(8)}[options["penalty"]] if options["reduction"] == "mean" else 1
    torch.testing.assert_close(everywhere, total[None] / count)


def test_only_what_speaks_for_a_class_costs_by_the_logarithm() -> None:
    """Evidence against it costs nothing in the end, by the norm it costs as much."""
    absent = torch.zeros(1, 1, 1, 1, **DOUBLE)
    for size in (1.0, 50.0, 1e4):
        yes, no = (torch.full((1, 1, 1, 1), sign * size, **DOUBLE) for sign in (1, -1))
        assert forbidden_attention(yes, absent).item() == pytest.approx(math.log1p(math.exp(-size)) + size)
        assert forbidden_attention(no, absent).item() == pytest.approx(math.log1p(math.exp(-size)))
        assert forbidden_attention(yes, absent, penalty="l2") == forbidden_attention(no, absent, penalty="l2") == size


@pytest.mark.parametrize("options", OPTIONS)
def test_unknown_regions_weigh_nothing(options: dict[str, Any]) -> None:
    attention, regions = ATTENTION.repeat(2, 1, 1, 1).requires_grad_(), REGIONS.repeat(2, 1, 1, 1)
    regions[0, 1] = regions[1] = NAN
    losses = forbidden_attention(attention, regions, **options)
    alone = forbidden_attention(ATTENTION[:, :1], REGIONS[:, :1], **options)
    torch.testing.assert_close(losses, torch.cat([alone, torch.zeros_like(alone)]))
    (gradient,) = torch.autograd.grad(losses.sum(), attention)
    assert gradient[0, 0].any()
    assert (gradient[0, 1] == 0).all()
    assert (gradient[1] == 0).all()


def test_a_place_that_is_half_allowed_weighs_half() -> None:
    regions = torch.tensor([[[[0.5, 0.0], [1.0, 1.0]]]], **DOUBLE)
    loss = forbidden_attention(ATTENTION[:, :1], regions)
    torch.testing.assert_close(loss.item(), (0.5 * math.log(2) + math.log(4)) / 1.5)


def test_regions_come_to_the_grid_of_the_attention() -> None:
    """From a finer one by the mean of the area, from a coarser one by the nearest place, along each axis by itself."""
    wanted = forbidden_attention(ATTENTION, REGIONS)
    fine = REGIONS.repeat_interleave(3, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(forbidden_attention(ATTENTION, fine), wanted)
    coarse = REGIONS[..., :1]  # one column for both
    torch.testing.assert_close(forbidden_attention(ATTENTION, coarse), wanted)
    torch.testing.assert_close(forbidden_attention(ATTENTION, coarse.repeat_interleave(5, 2)), wanted)


@given(st.integers(0, 999), st.sampled_from(OPTIONS))
def test_images_do_not_mix_and_one_region_serves_all_classes(seed: int, options: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(seed)
    attention = torch.randn(3, 2, 2, 3, 2, generator=generator, **DOUBLE)
    regions = torch.rand(3, 1, 2, 3, 2, generator=generator, **DOUBLE).round()
    losses = forbidden_attention(attention, regions, **options)
    order = [2, 0, 1]
    torch.testing.assert_close(forbidden_attention(attention[order], regions[order], **options), losses[order])
    torch.testing.assert_close(forbidden_attention(attention, regions.expand(-1, 2, -1, -1, -1), **options), losses)
    with pytest.raises(ShapeError, match="one for all or one for each of 2 classes, got 3"):
        forbidden_attention(attention, regions.expand(-1, 3, -1, -1, -1), **options)


@pytest.mark.parametrize("options", OPTIONS)
def test_the_gradient_is_that_of_finite_differences(options: dict[str, Any]) -> None:
    attention = torch.randn(2, 2, 2, 2, generator=torch.Generator().manual_seed(1), **DOUBLE).requires_grad_()
    regions = REGIONS.expand(2, -1, -1, -1) * 0.75
    assert torch.autograd.gradcheck(lambda a: forbidden_attention(a, regions, **options), attention)


def test_losses_are_counted_in_float32_at_least() -> None:
    loss = forbidden_attention(ATTENTION.bfloat16(), REGIONS.float())
    assert loss.dtype == torch.float32
    assert forbidden_attention(ATTENTION, REGIONS.float()).dtype == torch.float64


# F = 2 features of one image on 3 slices of 1 x 2 places; weights that are the same for all slices
FEATURES = torch.arange(1.0, 13.0, **DOUBLE).reshape(1, 2, 3, 1, 2)
WEIGHTS = torch.tensor([[[1.0, 2.0], [0.0, -1.0]], [[1.0, 1.0], [1.0, 1.0]]], **DOUBLE).reshape(2, 2, 1, 1, 2)
BIAS = torch.tensor([0.5, -1.0], **DOUBLE)


def answer() -> LinearAnswer:
    logits = (WEIGHTS * FEATURES.expand(2, -1, -1, -1, -1)).flatten(1).sum(1) / 3 + BIAS
    return LinearAnswer(logits[None], FEATURES, WEIGHTS, 1 / 3, BIAS)


def test_attention_in_closed_form_is_its_value_by_hand() -> None:
    # z^1 is 1 2 | 3 4 | 5 6, z^2 is 7 8 | 9 10 | 11 12
    expected = torch.tensor([[[1, 4 - 8], [3, 8 - 10], [5, 12 - 12]], [[8, 10], [12, 14], [16, 18]]], **DOUBLE)
    attention = linear_attention(answer(), scaled=False)
    torch.testing.assert_close(attention, expected.reshape(1, 2, 3, 1, 2))
    # the means of the weights are 1.5 and -0.5; then 1 and 1
    grad_cam = linear_attention(answer(), "grad_cam", scaled=False)
    expected[0] = torch.tensor([[1.5 - 3.5, 3 - 4], [4.5 - 4.5, 6 - 5], [7.5 - 5.5, 9 - 6]], **DOUBLE)
    torch.testing.assert_close(grad_cam, expected.reshape(1, 2, 3, 1, 2))


def test_scaled_attention_sums_to_the_logit_less_the_bias() -> None:
    attention = linear_attention(answer())
    torch.testing.assert_close(attention.flatten(2).sum(2) + BIAS, answer().logits)
    torch.testing.assert_close(3 * attention, linear_attention(answer(), scaled=False))


def test_attention_under_autocast_keeps_every_digit() -> None:
    short = LinearAnswer(*(part.float() for part in (answer().logits, FEATURES, WEIGHTS)), 1 / 3, BIAS.float())
    expected: Tensor = linear_attention(short)
    with torch.autocast("cpu", torch.bfloat16):
        attention = linear_attention(short)
    assert attention.dtype == torch.float32
    assert torch.equal(attention, expected)
