import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.guidance.derived_map import derived_map, map_logits
from sightline.guidance.saliency_loss import saliency_loss

NAN = float("nan")
TWO_BY_TWO = torch.tensor([[[[1.0, 3.0], [5.0, 2.0]]]], dtype=torch.float64)


def test_channels_are_pooled_by_their_magnitude() -> None:
    attribution = torch.tensor([[[[1.0, -4.0]], [[-3.0, 2.0]]]])
    assert derived_map(attribution).tolist() == [[[[3.0, 4.0]]]]
    assert derived_map(attribution, channels="mean").tolist() == [[[[2.0, 3.0]]]]


def test_the_resolution_is_that_of_the_longest_side() -> None:
    attribution = torch.arange(32.0).reshape(1, 1, 4, 8)
    map_ = derived_map(attribution, resolution=4)
    assert map_.shape == (1, 1, 2, 4)
    assert map_[0, 0, 0, 0] == (0 + 1 + 8 + 9) / 4
    assert derived_map(attribution, resolution=9).shape == (1, 1, 4, 8)
    assert derived_map(torch.rand(2, 3, 4, 6, 8), resolution=4).shape == (2, 1, 2, 3, 4)


def test_minmax_by_hand() -> None:
    chances = map_logits(TWO_BY_TWO, "minmax").sigmoid()
    expected = [[0.001, 0.001 + 0.998 * 0.5], [0.999, 0.001 + 0.998 * 0.25]]
    torch.testing.assert_close(chances, torch.tensor([[expected]], dtype=torch.float64))


def test_zscore_by_hand() -> None:
    # mean 11 / 4, variance (49 + 1 + 81 + 9) / 64
    expected = (TWO_BY_TWO - 11 / 4) / math.sqrt(140 / 64)
    torch.testing.assert_close(map_logits(TWO_BY_TWO, "zscore"), expected)


def test_the_loss_with_minmax_is_plain_binary_cross_entropy() -> None:
    gaze = torch.tensor([[[[0.25, 1.0], [0.5, 0.0]]]], dtype=torch.float64)
    chances = 0.001 + 0.998 * (TWO_BY_TWO - 1) / 4
    loss = saliency_loss(map_logits(TWO_BY_TWO, "minmax"), gaze, "bce")
    torch.testing.assert_close(loss[0, 0], F.binary_cross_entropy(chances, gaze))


@pytest.mark.parametrize("scale", ["minmax", "zscore"])
def test_neither_unit_nor_offset_matters_and_images_do_not_mix(scale: Any) -> None:
    maps = torch.rand(3, 1, 4, 5, dtype=torch.float64)
    other = maps * torch.tensor([2.0, 1e-9, 1e9]).view(3, 1, 1, 1).double()
    torch.testing.assert_close(map_logits(other, scale), map_logits(maps, scale))
    torch.testing.assert_close(map_logits(maps + 3, scale), map_logits(maps, scale))
    torch.testing.assert_close(map_logits(maps[1:2], scale), map_logits(maps, scale)[1:2])


@pytest.mark.parametrize(("scale", "expected"), [("minmax", math.log(0.001 / 0.999)), ("zscore", 0.0)])
def test_a_map_that_is_even_has_a_finite_gradient(scale: Any, expected: float) -> None:
    maps = torch.zeros(1, 1, 2, 2, requires_grad=True)
    logits = map_logits(maps, scale)
    torch.testing.assert_close(logits, torch.full_like(maps, expected))
    saliency_loss(logits, torch.ones(1, 1, 2, 2), "bce").sum().backward()
    assert maps.grad is not None
    assert maps.grad.isfinite().all()


@pytest.mark.parametrize("scale", ["minmax", "zscore"])
def test_the_gradient_equals_finite_differences(scale: Any) -> None:
    gaze = torch.rand(2, 1, 3, 3, dtype=torch.float64)

    def loss(attribution: Tensor) -> Tensor:
        return saliency_loss(map_logits(derived_map(attribution), scale), gaze, "bce")

    attribution = torch.randn(2, 3, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(loss, attribution.requires_grad_())
