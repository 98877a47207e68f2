import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.comparing.draws import Score, difference, draw_scores
from sightline.evaluation import paired_change
from sightline.metrics.intervals import Interval

from .evaluations import evaluation_of

LABELS = np.arange(40) % 2
GOOD: NDArray[np.int64] = np.where(np.arange(40) < 34, LABELS, 1 - LABELS)
POOR: NDArray[np.int64] = np.where(np.arange(40) < 24, LABELS, 1 - LABELS)
GOOD_RUN, POOR_RUN = (evaluation_of(list(answers), LABELS) for answers in (GOOD, POOR))


def score_of(draws: list[float], value: float) -> Score:
    return Score(Interval(value, 0, 1, 9, "bootstrap"), (value,), np.array(draws))


def test_one_run_scores_as_its_evaluation_does() -> None:
    found = draw_scores({"good": [GOOD_RUN]})["good"]
    for name, interval in GOOD_RUN.metrics.items():
        assert (found[name].interval.value, found[name].interval.low, found[name].interval.high) == (
            interval.value,
            interval.low,
            interval.high,
        )
    assert np.isnan(found["accuracy"].spread)


def test_several_seeds_are_averaged_and_their_spread_told() -> None:
    found = draw_scores({"both": [GOOD_RUN, POOR_RUN], "good": [GOOD_RUN], "poor": [POOR_RUN]})
    both = found["both"]["accuracy"]
    assert both.interval.value == pytest.approx((34 + 24) / 80)
    assert both.runs == pytest.approx((34 / 40, 24 / 40))
    assert both.spread == pytest.approx((34 - 24) / 40 / 2**0.5)
    expected = (found["good"]["accuracy"].draws + found["poor"]["accuracy"].draws) / 2
    assert np.allclose(both.draws, expected)  # resample by resample, of the same patients
    assert both.interval.high - both.interval.low < 0.3
    assert both.interval.method == "percentile bootstrap of patients"
    assert found["both"]["auroc"].interval.method == "BCa bootstrap of patients"
    assert found["good"]["auroc"].interval.method == "DeLong, logit"
    assert len(found["both"]["auroc"].draws) == 2000  # and not those that leave a patient out


def test_a_difference_is_that_of_the_same_resampled_patients() -> None:
    found = draw_scores({"poor": [POOR_RUN], "good": [GOOD_RUN]})
    interval, p = difference(found["poor"]["accuracy"], found["good"]["accuracy"])
    expected = paired_change(POOR_RUN, GOOD_RUN)["accuracy"]
    assert (interval.value, interval.low, interval.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert (interval.n_patients, interval.seed, interval.method) == (40, 0, expected.method)
    area, _ = difference(found["poor"]["auroc"], found["good"]["auroc"])
    wanted = paired_change(POOR_RUN, GOOD_RUN)["auroc"]
    assert (area.low, area.high, area.method) == (pytest.approx(wanted.low), pytest.approx(wanted.high), wanted.method)
    assert p < 0.05
    back, same_p = difference(found["good"]["accuracy"], found["poor"]["accuracy"])
    assert (back.value, back.low, back.high) == pytest.approx((-interval.value, -interval.high, -interval.low))
    assert same_p == p


def test_the_p_value_by_hand() -> None:
    first, second = score_of([0.0] * 9, 0.0), score_of([-1, 1, 1, 1, 1, 1, 1, 1, 1], 0.5)
    interval, p = difference(first, second)
    assert p == pytest.approx(2 * (1 + 1) / (1 + 9))
    assert interval.value == 0.5
    assert difference(first, first)[1] == 1.0


def test_what_is_undefined_is_left_out() -> None:
    half, whole = score_of([np.nan, 1.0, 1.0], 1.0), score_of([0.0, 0.0, 0.0], 0.0)
    assert difference(whole, half)[0].resamples == 2
    interval, p = difference(whole, score_of([np.nan] * 3, np.nan))
    assert np.isnan([interval.value, interval.low, interval.high, p]).all()
