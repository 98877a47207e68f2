import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

from sightline.errors import SettingsError
from sightline.metrics.averages import weighted_mean
from sightline.metrics.equivalence import equivalent_within, tost_paired, tost_welch
from sightline.metrics.intervals import Interval
from sightline.metrics.resampling import Resampling, bootstrap

NAN = float("nan")
SEEDS = st.integers(0, 2**32 - 1)
MARGINS = st.sampled_from([0.2, 0.5, 1.0, 2.0])


def test_by_hand() -> None:
    # differences 1, 2, 3: mean 2, error 1 / sqrt(3); against 4: t = -2 sqrt(3)
    found = tost_paired([2, 4, 6], [1, 2, 3], margin=4)
    assert found.p == pytest.approx(stats.t.cdf(-2 * 3**0.5, 2))
    half = stats.t.ppf(0.95, 2) / 3**0.5
    assert (found.difference.low, found.difference.high) == pytest.approx((2 - half, 2 + half))
    assert found.equivalent is True
    assert tost_paired([2, 4, 6], [1, 2, 3], margin=3.6).equivalent is False


@settings(max_examples=30)
@given(SEEDS, MARGINS)
def test_p_agrees_with_statsmodels(seed: int, margin: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=12), rng.normal(0.3, 2, size=12)
    assert tost_paired(a, b, margin=margin).p == pytest.approx(ttost_paired(a, b, -margin, margin)[0])
    theirs = ttost_ind(a, b[:7], -margin, margin, usevar="unequal")[0]
    assert tost_welch(a, b[:7], margin=margin).p == pytest.approx(theirs)


@settings(max_examples=30)
@given(SEEDS, MARGINS, st.sampled_from([0.01, 0.05, 0.2]))
def test_the_interval_decides_as_the_p_value(seed: int, margin: float, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 10))
    for test in (tost_paired, tost_welch):
        found = test(a, b, margin=margin, alpha=alpha)
        assert found.equivalent == (found.p < alpha)
        assert found.difference.level == pytest.approx(1 - 2 * alpha)
        assert test(b, a, margin=margin, alpha=alpha).p == pytest.approx(found.p)
        assert test(a, b, margin=2 * margin, alpha=alpha).p <= found.p


def test_little_data_are_not_taken_for_equivalence() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.normal(size=(2, 5)), rng.normal(size=(2, 5000))
    assert stats.ttest_rel(*few).pvalue > 0.05  # no difference found, and yet
    assert tost_paired(*few, margin=0.1).equivalent is False
    assert tost_paired(*many, margin=0.1).equivalent is True


def test_what_says_nothing_is_undecided() -> None:
    for first, second in (([], []), ([1.0], [1.0]), ([1.0, 1], [1.0, 1]), ([NAN, 1], [1, NAN])):
        for test in (tost_paired, tost_welch):
            found = test(first, second, margin=1)
            assert found.equivalent is None
            assert math.isnan(found.p)
    undecided = equivalent_within(Interval(0.0, NAN, NAN, 3, "by hand"), margin=0.1)
    assert undecided.as_dict()["equivalent"] is None


def test_any_interval_can_be_asked() -> None:
    values = np.random.default_rng(1).normal(0.01, 0.1, 200)
    interval = bootstrap(
        lambda weights: {"gap": weighted_mean(values, weights=weights)},
        list(map(str, range(200))),
        resampling=Resampling(level=0.9),
    )["gap"]
    assert equivalent_within(interval, margin=0.05).equivalent is True
    assert equivalent_within(interval, margin=0.012).equivalent is False
    assert equivalent_within(Interval(0.04, 0.03, 0.05, 3, "by hand", 0.9), margin=0.05).equivalent is False  # at it


def test_impossible_margins_and_chances_are_refused() -> None:
    for margin in (0, -1, NAN):
        with pytest.raises(SettingsError, match="margin must be a difference above 0"):
            tost_paired([1, 2], [1, 3], margin=margin)
    for alpha in (0, 0.5, 5):
        with pytest.raises(SettingsError):
            tost_welch([1, 2], [1, 3], margin=1, alpha=alpha)
