import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from sightline.errors import DataError, SettingsError
from sightline.metrics.intervals import (
    Interval,
    f1_interval,
    highest_density_interval,
    mean_halfwidth,
    wilson_interval,
)

NAN = float("nan")


def test_wilson_interval_agrees_with_the_published_table() -> None:
    # ISNet paper, Table 3 (tuberculosis): prints centre and half-width of precision and recall
    printed = [(265, 355, 0.744, 0.045), (265, 370, 0.714, 0.046), (293, 398, 0.734, 0.043), (293, 383, 0.762, 0.042)]
    for successes, n, centre, half in printed:
        interval = wilson_interval(successes, n)
        assert interval.value == successes / n
        assert (interval.high + interval.low) / 2 == pytest.approx(centre, abs=6e-4)
        assert (interval.high - interval.low) / 2 == pytest.approx(half, abs=6e-4)


def test_wilson_interval_holds_the_shares_whose_score_test_does_not_reject() -> None:
    interval = wilson_interval(3, 17, level=0.9)
    for limit in (interval.low, interval.high):
        z = (3 / 17 - limit) / math.sqrt(limit * (1 - limit) / 17)
        assert abs(z) == pytest.approx(1.6448536, abs=1e-6)


def test_wilson_interval_has_a_width_where_nothing_failed() -> None:
    interval = wilson_interval(20, 20)
    assert interval.value == interval.high == 1
    assert interval.low == pytest.approx(20 / (20 + 1.959964**2))
    assert math.isnan(wilson_interval(0, 0).low)


def test_highest_density_interval_is_the_shortest_one() -> None:
    draws = np.r_[np.linspace(0, 1, 10), [5.0, 9.0]]
    assert highest_density_interval(draws, level=0.8) == (0, 1)
    normal = np.random.default_rng(0).normal(size=200_000)
    assert highest_density_interval(normal) == pytest.approx((-1.96, 1.96), abs=0.06)
    assert highest_density_interval([np.nan, 2.0]) == (2, 2)


def test_interval_survives_json_that_knows_no_nan() -> None:
    interval = Interval(0.5, float("nan"), 0.75, 8, "by hand", n_patients=4, seed=1)
    fields = json.loads(
        json.dumps({key: None if value != value else value for key, value in interval.as_dict().items()})
    )
    again = Interval.from_dict(fields)
    assert math.isnan(again.low)
    assert {**again.as_dict(), "low": 0} == {**interval.as_dict(), "low": 0}


def test_impossible_counts_and_levels_are_refused() -> None:
    with pytest.raises(DataError, match="got 5 of 4"):
        wilson_interval(5, 4)
    with pytest.raises(SettingsError, match=r"level must lie between 0 and 1, got 95"):
        wilson_interval(1, 4, level=95)
    with pytest.raises(SettingsError, match="level"):
        highest_density_interval([1.0], level=1.0)


@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_interval_agrees_with_scipy_and_statsmodels(successes: int, more: int, level: float) -> None:
    n = successes + more
    ours = wilson_interval(successes, n, level=level)
    theirs = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert (ours.low, ours.high) == pytest.approx(proportion_confint(successes, n, 1 - level, "wilson"), abs=1e-9)
    turned = wilson_interval(more, n, level=level)
    assert (turned.low, turned.high) == pytest.approx((1 - ours.high, 1 - ours.low))
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.sampled_from([0.5, 0.9]))
def test_no_interval_with_as_many_draws_is_shorter(draws: list[float], level: float) -> None:
    low, high = highest_density_interval(draws, level=level)
    inside = [draw for draw in draws if low <= draw <= high]
    assert len(inside) >= level * len(draws)
    ordered, held = sorted(draws), math.ceil(level * len(draws))
    assert high - low <= min(b - a for a, b in zip(ordered, ordered[held - 1 :], strict=False)) + 1e-12


def test_no_draw_has_no_interval() -> None:
    assert np.isnan(highest_density_interval([])).all()
    assert np.isnan(highest_density_interval([np.nan])).all()


def test_f1_has_the_limits_of_precision_and_recall_together() -> None:
    of_precision, of_recall = Interval(0.5, 0.4, 0.6, 20, "by hand"), Interval(0.8, 0.6, 0.9, 30, "by hand")
    found = f1_interval(of_precision, of_recall)
    assert (found.value, found.low, found.high) == pytest.approx((0.8 / 1.3, 0.48 / 1.0, 1.08 / 1.5))
    assert found.n == 20
    nothing = f1_interval(wilson_interval(0, 0), of_recall)
    assert math.isnan(nothing.value)
    assert math.isnan(nothing.low)
    zero = f1_interval(Interval(0.0, 0.0, 0.1, 5, "by hand"), Interval(0.0, 0.0, 0.2, 5, "by hand"))
    assert (zero.value, zero.low) == (0, 0)
    assert zero.high == pytest.approx(0.04 / 0.3)


def test_the_mean_of_half_widths_lies_around_the_mean_of_the_numbers_that_are_known() -> None:
    parts = [Interval(0.5, 0.4, 0.6, 20, "by hand"), Interval(0.7, 0.65, 0.75, 90, "by hand")]
    found = mean_halfwidth(parts)
    assert (found.value, found.low, found.high, found.n) == pytest.approx((0.6, 0.525, 0.675, 90))
    holed = mean_halfwidth([*parts, Interval(0.1, NAN, NAN, 1, "by hand"), wilson_interval(0, 0)])
    assert holed == found
    assert math.isnan(mean_halfwidth([]).value)
    with pytest.raises(SettingsError, match="one level"):
        mean_halfwidth([parts[0], wilson_interval(1, 2, level=0.9)])
