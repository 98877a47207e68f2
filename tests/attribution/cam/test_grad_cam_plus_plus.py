from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.attribution import Class
from sightline.attribution.cam import GradCAMPlusPlus


def test_grad_cam_plus_plus_by_hand(flat: type[nn.Module]) -> None:
    features = torch.tensor([[[1.0, 3.0], [2.0, 0.0]]])  # sums 4 and 2
    gradient = torch.tensor([[[1.0, -5.0], [2.0, 4.0]]])
    weights = 1 / (2 + 1 * 4), 2 / (2 + 2 * 2) + 4 / (2 + 4 * 2)
    expected = [weights[0] * 1 + weights[1] * 2, weights[0] * 3]
    explanation = GradCAMPlusPlus("features")(flat(gradient), features, Class(0))
    assert explanation.attribution[0, 0].tolist() == pytest.approx(expected)
    assert GradCAMPlusPlus("features")(flat(-gradient.abs()), features, Class(0)).attribution.count_nonzero() == 0


@given(seed=st.integers(0, 2**16))
def test_grad_cam_plus_plus_is_the_ratio_of_derivatives_of_the_paper(flat: type[nn.Module], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.rand(2, 3, 2, 4, generator=generator, dtype=torch.float64)
    gradient = torch.randn(1, 3, 2, 4, generator=generator, dtype=torch.float64)
    y = (gradient * features).sum((1, 2, 3), keepdim=True)
    first, second, third = (y.exp() * gradient**n for n in (1, 2, 3))  # derivatives of exp(y) by one feature
    alpha = second / (2 * second + features.sum((2, 3), keepdim=True) * third)
    weights = (alpha * first.relu()).sum((2, 3), keepdim=True)
    expected = (weights * features).sum(1, keepdim=True).relu() / y.exp()
    maps = GradCAMPlusPlus("features")(flat(gradient), features, Class(0)).attribution
    torch.testing.assert_close(maps, expected)


def test_small_gradients_weigh_as_they_should(flat: type[nn.Module], make_images: Callable[..., Tensor]) -> None:
    features, gradient = make_images(1, 2, 3, 3).float(), make_images(1, 2, 3, 3, seed=1).float() * 1e-25
    maps = GradCAMPlusPlus("features")(flat(gradient), features, Class(0)).attribution
    halves = (gradient.sum((2, 3), keepdim=True) / 2 * features).sum(1, keepdim=True)  # alpha is 1/2
    torch.testing.assert_close(maps * 1e25, halves * 1e25)
