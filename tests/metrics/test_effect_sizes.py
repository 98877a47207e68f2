import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.meta_analysis import effectsize_smd
from statsmodels.stats.proportion import confint_proportions_2indep

from sightline.errors import DataError, ShapeError
from sightline.metrics.effect_sizes import cliffs_delta, cohens_d, cohens_dz, hedges_g, risk_difference

NAN = float("nan")
SEEDS = st.integers(0, 2**32 - 1)


def test_by_hand() -> None:
    # means 2 and 6, variances 1 and 4 of 3 each: pooled 2.5
    assert cohens_d([1, 2, 3], [4, 6, 8]) == pytest.approx(-4 / 2.5**0.5)
    # gamma(2) / (sqrt(2) gamma(3/2)) = 1 / (sqrt(2) sqrt(pi) / 2)
    assert hedges_g([1, 2, 3], [4, 6, 8]) == pytest.approx(-4 / 2.5**0.5 * 2 / (2 * math.pi) ** 0.5)
    assert cohens_dz([2, 4, 6], [1, 2, 3]) == pytest.approx(2)
    # of 6 pairs the first is greater in 1, less in 4, equal in 1
    assert cliffs_delta([1, 3], [2, 3, 4]) == pytest.approx((1 - 4) / 6)


@given(SEEDS, st.integers(2, 20), st.integers(2, 20))
def test_sizes_agree_with_statsmodels_and_scipy(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.normal(1, 2, size=m)
    moments = (a.mean(), a.std(ddof=1), n, b.mean(), b.std(ddof=1), m)
    assert hedges_g(a, b) == pytest.approx(effectsize_smd(*moments)[0], rel=0.05)  # which approximates the gammas
    assert cohens_d(a, b) == pytest.approx(stats.ttest_ind(a, b).statistic * (1 / n + 1 / m) ** 0.5)
    statistic = stats.mannwhitneyu(a, b).statistic
    assert cliffs_delta(a, b) == pytest.approx(2 * statistic / (n * m) - 1)
    if n <= m:
        assert cohens_dz(a, b[:n]) == pytest.approx(stats.ttest_rel(a, b[:n]).statistic / n**0.5)


@given(SEEDS)
def test_scale_shift_and_unknown_numbers_do_not_matter_and_sides_can_be_swapped(seed: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, 9))
    for size in (cohens_d, hedges_g, cohens_dz, cliffs_delta):
        assert size(3 * a + 2, 3 * b + 2) == pytest.approx(size(a, b))
        assert size(b, a) == pytest.approx(-size(a, b))
        assert size(np.append(a, NAN), np.append(b, NAN)) == pytest.approx(size(a, b))
    assert abs(hedges_g(a, b)) < abs(cohens_d(a, b))
    assert -1 <= cliffs_delta(a, b) <= 1


def test_what_has_no_spread_or_no_numbers_has_no_size() -> None:
    for size in (cohens_d, hedges_g, cohens_dz):
        assert math.isnan(size([], []))
        assert math.isnan(size([0.1, 0.1], [0.3, 0.3]))
        assert math.isnan(size([1.0], [2.0]))
    assert math.isnan(cohens_dz([1, 2, 3], [2, 3, 4]))
    assert math.isnan(cliffs_delta([], [1.0]))
    assert cliffs_delta([2.0], [1.0]) == 1
    assert cliffs_delta([1.0, 1.0], [1.0]) == 0
    assert math.isnan(hedges_g([1.0, 2.0], [3.0]))
    assert not math.isnan(cohens_d([1.0, 2.0], [3.0]))


@given(st.integers(0, 30), st.integers(0, 30), st.sampled_from([0.9, 0.95]))
def test_the_risk_difference_agrees_with_statsmodels(first: int, second: int, level: float) -> None:
    found = risk_difference(first, 30, second, 40, level=level)
    low, high = confint_proportions_2indep(first, 30, second, 40, method="newcomb", alpha=1 - level)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.value == pytest.approx(first / 30 - second / 40)
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_the_risk_difference_of_the_published_example() -> None:
    # Newcombe 1998, table II, (a) 56 of 70 less 48 of 80, method 10
    found = risk_difference(56, 70, 48, 80)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    assert math.isnan(risk_difference(0, 0, 1, 2).low)
    with pytest.raises(DataError, match="got 3 of 2"):
        risk_difference(3, 2, 1, 2)


def test_tables_are_refused() -> None:
    for size in (cohens_d, cohens_dz, cliffs_delta, hedges_g):
        with pytest.raises(ShapeError, match="row"):
            size([[1.0]], [[2.0]])
