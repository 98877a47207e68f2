from math import log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor, nn

from sightline.errors import ShapeError
from sightline.metrics.sparseness import completeness_gap, complexity, sparseness

shapes = st.sampled_from([(2, 1, 7), (3, 2, 4, 5), (2, 1, 3, 4, 2)])


def maps(seed: int, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_sparseness_and_complexity_by_hand() -> None:
    table = torch.tensor([[[0, 0, -4, 0]], [[3, -3, 3, 3]], [[1, 0, -1, 0]], [[0, 2, -1, 1]]], dtype=torch.float64)
    # last row: 0 1 1 2 of 4, weights 7/8 5/8 3/8 1/8: 1 - 2 * (5/32 + 3/32 + 2/32)
    assert sparseness(table).tolist() == pytest.approx([3 / 4, 0, 1 / 2, 3 / 8])
    assert complexity(table).tolist() == pytest.approx([0, log(4), log(2), 1.5 * log(2)])


@given(st.integers(0, 2**32 - 1), shapes)
def test_sparseness_is_half_the_relative_mean_difference(seed: int, shape: tuple[int, ...]) -> None:
    given_maps = maps(seed, shape)
    for value, row in zip(sparseness(given_maps), given_maps.flatten(1).abs(), strict=True):
        assert value.item() == pytest.approx(((row[:, None] - row).abs().mean() / (2 * row.mean())).item())


@given(st.integers(0, 2**32 - 1), shapes)
def test_complexity_is_the_entropy_that_scipy_finds(seed: int, shape: tuple[int, ...]) -> None:
    given_maps = maps(seed, shape)
    np.testing.assert_allclose(complexity(given_maps), stats.entropy(given_maps.flatten(1).abs().numpy(), axis=1))


@given(st.integers(0, 2**32 - 1), shapes)
def test_scale_sign_and_place_change_nothing(seed: int, shape: tuple[int, ...]) -> None:
    given_maps = maps(seed, shape)
    order = torch.randperm(given_maps[0].numel(), generator=torch.Generator().manual_seed(seed))
    for measure in (sparseness, complexity):
        expected = measure(given_maps)
        torch.testing.assert_close(measure(-1e-300 * given_maps), expected)
        torch.testing.assert_close(measure(2e307 * given_maps), expected)
        torch.testing.assert_close(measure(given_maps.flatten(1)[:, order]), expected)


def test_empty_and_broken_maps_are_undefined() -> None:
    table = torch.tensor([[0.0, 0.0], [1.0, torch.nan], [1.0, torch.inf], [1.0, 2.0]])
    for measure in (sparseness, complexity):
        assert measure(table).isnan().tolist() == [True, True, True, False]


def test_arrays_give_arrays_and_large_maps_of_half_precision_do_not_overflow() -> None:
    assert isinstance(sparseness(np.ones((2, 1, 3))), np.ndarray)
    assert isinstance(complexity(np.ones((2, 1, 3))), np.ndarray)
    large = torch.full((1, 3, 224, 224), 6e4, dtype=torch.float16)
    assert sparseness(large).item() == pytest.approx(0, abs=1e-5)
    assert complexity(large).item() == pytest.approx(log(3 * 224**2), rel=1e-5)


def test_gap_is_what_the_sum_lacks() -> None:
    table = torch.tensor([[[1.0, 2.0]], [[1.0, -3.0]], [[0.0, 0.0]]])
    assert completeness_gap(table, torch.tensor([3.0, 0.0, 5.0])).tolist() == [0, -2, -5]
    assert isinstance(completeness_gap(np.ones((2, 3)), np.zeros(2)), np.ndarray)


def test_gap_agrees_with_captum() -> None:
    attr = pytest.importorskip("captum.attr")
    torch_generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    images, baselines = torch.rand(2, 3, 1, 3, 4, generator=torch_generator, dtype=torch.float64)
    method = attr.IntegratedGradients(net)
    attribution, delta = method.attribute(images, baselines, target=0, n_steps=4, return_convergence_delta=True)
    change = (net(images) - net(baselines))[:, 0].detach()
    torch.testing.assert_close(completeness_gap(attribution, change), delta)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"attribution must be \(N, C, \*S\), got \(3,\)"):
        sparseness(torch.ones(3))
    with pytest.raises(ShapeError, match=r"change must be \(2,\), one number an image, got \(2, 1\)"):
        completeness_gap(torch.ones(2, 3), torch.ones(2, 1))
