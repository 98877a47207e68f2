import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sightline.errors import ShapeError
from sightline.metrics.correlation import pearson, spearman


def rows(*values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_correlations_by_hand() -> None:
    # centred: (-1, 0, 1) and (-2, 1, 1): 3 / sqrt(2 * 6)
    assert pearson(rows([1, 2, 3]), rows([0, 3, 3])).item() == pytest.approx(3 / 12**0.5)
    # ranks 1 2 3 4 and 2 1 4 3: 1 - 6 * 4 / (4 * 15)
    assert spearman(rows([1, 2, 3, 4]), rows([20, 10, 400, 30])).item() == pytest.approx(0.6)
    # the two 5 share rank 2.5: ranks 1 2.5 2.5 4 and 1 2 3 4, centred sums 4.5 and 5, product 4.5
    assert spearman(rows([1, 5, 5, 9]), rows([1, 2, 3, 4])).item() == pytest.approx(4.5 / (4.5 * 5) ** 0.5)


@given(st.integers(0, 2**32 - 1), st.integers(3, 60), st.integers(2, 30))
def test_correlations_agree_with_scipy_with_ties(seed: int, length: int, distinct: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, distinct, (2, 4, length)).astype(float)
    a[:, :2], b[:, :2] = (0, 1), (1, 0)  # none constant
    for ours, theirs in ((pearson, stats.pearsonr), (spearman, stats.spearmanr)):
        expected = [theirs(x, y).statistic for x, y in zip(a, b, strict=True)]
        np.testing.assert_allclose(ours(torch.from_numpy(a), torch.from_numpy(b)).numpy(), expected, atol=1e-12)


def test_long_rows_of_single_precision_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(2, 150_000)).astype(np.float32)
    b = (0.01 * a + rng.normal(size=a.shape)).astype(np.float32)
    expected = [stats.spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(spearman(torch.from_numpy(a), torch.from_numpy(b)).numpy(), expected, atol=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_scale_and_shift_leave_both_alone_and_any_rising_function_the_ranks(seed: int) -> None:
    a, b = torch.randn(2, 3, 20, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for correlation in (pearson, spearman):
        torch.testing.assert_close(correlation(a, b), correlation(1e-200 * a, 5 - 2 * b).neg())
        order = torch.randperm(20, generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(correlation(a, b), correlation(a[:, order], b[:, order]))
    torch.testing.assert_close(spearman(a, b), spearman(a.exp(), b**3))


def test_rows_that_do_not_vary_or_are_unknown_are_undefined() -> None:
    nan = float("nan")
    a = rows([1, 1, 1], [1, nan, 2], [1, 2, 3])
    for correlation in (pearson, spearman):
        assert correlation(a, rows(*[[1, 2, 4]] * 3)).isnan().tolist() == [True, True, False]
        assert correlation(rows(*[[1, 2, 4]] * 3), a).isnan().tolist() == [True, True, False]
    assert pearson(rows([1, 2, float("inf")]), rows([1, 2, 3])).isnan().all()


def test_rounding_is_no_variation() -> None:
    sums = torch.tensor([[0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 0.2 + 0.3 + 0.1]], dtype=torch.float64)
    assert sums.unique().numel() > 1
    assert pearson(sums, rows([1, 2, 3])).isnan().all()
    assert pearson(1 + rows([0, 1e-9, 2e-9]), rows([1, 2, 3])).item() == pytest.approx(1)


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"got \(3,\) and \(2,\)"):
        pearson(torch.ones(3), torch.ones(2))
