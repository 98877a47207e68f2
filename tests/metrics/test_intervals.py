import json
import math

import numpy as np
import pytest

from sightline.errors import DataError, SettingsError
from sightline.metrics.intervals import Interval, highest_density_interval, wilson_interval


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
