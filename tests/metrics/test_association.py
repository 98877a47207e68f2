import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats.contingency import association as cramer

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.association import association


def alone(count: int) -> list[str]:
    return [f"p{index}" for index in range(count)]


def drawn(seed: int, count: int, kinds: tuple[int, int], together: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, kinds[0], count)
    second = np.where(rng.random(count) < together, first % kinds[1], rng.integers(0, kinds[1], count))
    return first, second


@given(seed=st.integers(0, 1000))
def test_chi_squared_and_v_are_those_of_scipy(seed: int) -> None:
    first, second = drawn(seed, 60, (3, 4), together=0.3)
    table = stats.contingency.crosstab(first, second).count
    found = association(first, second, alone(60), resamples=1)
    assert found.statistic == pytest.approx(stats.chi2_contingency(table, correction=False).statistic)
    assert found.v == pytest.approx(cramer(table, method="cramer"))
    assert found.n == 60


@pytest.mark.parametrize("together", [0.0, 0.1, 0.3])
def test_p_is_near_that_of_the_chi_squared_distribution_for_many_cases(together: float) -> None:
    first, second = drawn(5, 400, (3, 3), together)
    table = stats.contingency.crosstab(first, second).count
    found = association(first, second, alone(400), resamples=4000)
    assert found.p == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, abs=0.03)


def test_p_of_two_by_two_is_near_fisher_s_for_few_cases() -> None:
    first, second = [0] * 6 + [1] * 6, [0] * 5 + [1] * 6 + [0]
    found = association(first, second, alone(12), resamples=4999)
    assert found.p == pytest.approx(stats.fisher_exact([[5, 1], [1, 5]]).pvalue, abs=0.01)


def test_names_that_follow_from_each_other_have_v_1() -> None:
    found = association(["a", "b", "c"] * 5, ["x", "y", "z"] * 5, alone(15))
    assert found.v == pytest.approx(1.0)
    assert found.p < 0.01


def test_what_the_strata_explain_counts_for_nothing() -> None:
    rng = np.random.default_rng(0)
    stratum = np.repeat([0, 1], 50)
    first = stratum * 2 + rng.integers(0, 2, 100)
    second = stratum * 2 + rng.integers(0, 2, 100)
    assert association(first, second, alone(100)).p < 0.01
    assert association(first, second, alone(100), within=stratum).p > 0.05
    bound = association(first, first, alone(100), within=stratum)
    assert (bound.v, bound.p < 0.01) == (pytest.approx(1.0), True)


def test_kinds_are_dealt_out_within_their_stratum_by_hand() -> None:
    # of the 6 ways to deal 0 0 1 1 out to the first stratum 2 are as far out; all of the second stratum's are
    found = association([0, 0, 1, 1, 0, 1], [0, 0, 1, 1, 0, 1], alone(6), within=[0, 0, 0, 0, 1, 1], resamples=4999)
    assert found.statistic == pytest.approx(4 + 2)
    assert found.p == pytest.approx(1 / 3, abs=0.03)


def test_a_sorting_of_one_kind_in_every_stratum_has_nothing_to_test() -> None:
    found = association([0, 0, 1, 1], ["a", "b", "a", "b"], alone(4), within=[0, 0, 1, 1])
    assert np.isnan(found.v)
    assert np.isnan(found.p)
    assert np.isnan(association([0, 0], [0, 1], alone(2)).p)


def test_of_a_patient_one_image_counts() -> None:
    first, second = [0, 1, 0, 1], [0, 1, 0, 1]
    often = association(first * 25, second * 25, [f"p{index % 4}" for index in range(100)])
    assert often.n == 4
    assert often.p == association(first, second, alone(4)).p


@settings(max_examples=40)
@given(seed=st.integers(0, 200))
def test_p_is_a_chance_and_v_a_share(seed: int) -> None:
    first, second = drawn(seed, 12, (4, 2))
    found = association(first, second, alone(12), resamples=50, seed=seed)
    if not np.isnan(found.v):
        assert 0 <= found.v <= 1 + 1e-9
        assert 1 / 51 <= found.p <= 1
        swapped = association(second, first, alone(12), resamples=50, seed=seed)
        assert swapped.v == pytest.approx(found.v)


def test_p_is_seldom_small_where_there_is_nothing() -> None:
    small = 0
    for seed in range(100):
        first, second = drawn(seed, 30, (3, 2))
        small += association(first, second, alone(30), resamples=59, seed=seed).p <= 0.05
    assert small <= 12  # 5 are expected; more than 12 have a chance of 0.1 %


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        association([0, 1], [0, 1, 1], alone(3))
    with pytest.raises(DataError, match="no case"):
        association([], [], [])
    with pytest.raises(SettingsError, match="at least 1"):
        association([0, 1], [0, 1], alone(2), resamples=0)
