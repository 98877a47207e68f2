import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sightline.errors import DataError, SettingsError
from sightline.metrics import resampling as module
from sightline.metrics.averages import Array, weighted_mean
from sightline.metrics.classification import confusion_matrix, macro_f1
from sightline.metrics.ranking import auroc
from sightline.metrics.resampling import Resampling, bootstrap, draw_patients


def mean_of(values: Array) -> Callable[[Array], dict[str, Array]]:
    return lambda weights: {"mean": weighted_mean(values, weights=weights)}


def test_weighted_scores_equal_those_of_patients_really_drawn() -> None:
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 12, 40)
    labels, predicted = rng.integers(0, 3, (2, 40))
    result = bootstrap(
        lambda weights: {"f1": macro_f1(confusion_matrix(labels, predicted, 3, weights=weights))},
        [f"p{index}" for index in patients],
        resampling=Resampling(resamples=200, seed=4),
    )
    names, owner = np.unique([f"p{index}" for index in patients], return_inverse=True)
    generator = np.random.default_rng(4)
    by_hand = []
    for _ in range(200):
        drawn = generator.integers(0, len(names), len(names))
        rows = np.concatenate([np.flatnonzero(owner == patient) for patient in drawn])
        by_hand.append(float(macro_f1(confusion_matrix(labels[rows], predicted[rows], 3))))
    assert (result["f1"].low, result["f1"].high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])))
    assert result["f1"].value == pytest.approx(float(macro_f1(confusion_matrix(labels, predicted, 3))))


def test_repeating_the_images_of_each_patient_does_not_narrow_the_interval() -> None:
    values = np.random.default_rng(1).random(25)
    patients = [f"p{index:02}" for index in range(25)]
    once = bootstrap(mean_of(values), patients)["mean"]
    often = bootstrap(mean_of(values.repeat(10)), np.repeat(patients, 10).tolist())["mean"]
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    assert (often.n, often.n_patients) == (250, 25)


def test_interval_of_a_mean_agrees_with_its_standard_error() -> None:
    values = np.random.default_rng(2).normal(size=400)
    interval = bootstrap(mean_of(values), [str(index) for index in range(400)])["mean"]
    half = 1.96 * values.std() / 20
    assert (interval.low, interval.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_same_seed_same_interval_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).random(31)
    patients = [str(index) for index in range(31)]
    whole = bootstrap(mean_of(values), patients)
    monkeypatch.setattr(module, "_BLOCK", 31 * 7)
    assert bootstrap(mean_of(values), patients) == whole
    assert bootstrap(mean_of(values), patients, resampling=Resampling(seed=1)) != whole


def test_resamples_in_which_the_score_is_undefined_are_left_out_and_counted() -> None:
    labels = np.array([1] + [0] * 9)
    scores = np.linspace(1, 0, 10)
    interval = bootstrap(
        lambda weights: {"auroc": auroc(labels, scores, weights=weights)}, [str(index) for index in range(10)]
    )["auroc"]
    # the one positive patient is drawn in 1 - 0.9^10 = 65 % of the resamples
    assert interval.resamples is not None
    assert interval.resamples / 2000 == pytest.approx(1 - 0.9**10, abs=0.03)
    never = bootstrap(lambda weights: {"none": np.full(len(weights), np.nan)}, ["a", "b"])["none"]
    assert (never.resamples, math.isnan(never.low)) == (0, True)


def test_one_patient_says_nothing_about_others() -> None:
    interval = bootstrap(mean_of(np.array([0.0, 1.0])), ["a", "a"])["mean"]
    assert interval.value == 0.5
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_draws_hold_as_many_patients_as_there_are() -> None:
    times = draw_patients(7, 300, np.random.default_rng(0))
    assert (times.sum(1) == 7).all()
    assert times.mean() == 1
    assert times.var() == pytest.approx(6 / 7, rel=0.1)  # binomial(7, 1/7)


def test_bad_settings_and_no_cases_are_refused() -> None:
    with pytest.raises(SettingsError, match="resamples must be at least 1, got 0"):
        Resampling(resamples=0)
    with pytest.raises(SettingsError, match="level"):
        Resampling(level=1.5)
    with pytest.raises(SettingsError, match="limits must be one of percentile, bca, got 'BCa'"):
        Resampling(limits="BCa")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no case"):
        bootstrap(mean_of(np.array([])), [])


@pytest.mark.parametrize("kind", ["percentile", "BCa"])
def test_limits_are_scipys_of_the_same_draws_of_patients(kind: str) -> None:
    rng = np.random.default_rng(5)
    owner = np.sort(np.r_[np.arange(18), rng.integers(0, 18, 40)])
    values = rng.exponential(size=58)
    sums, counts = np.bincount(owner, values), np.bincount(owner)
    theirs = stats.bootstrap(
        (np.arange(18),),
        lambda drawn, axis: sums[drawn].sum(axis) / counts[drawn].sum(axis),
        n_resamples=1000,
        vectorized=True,
        method=kind,
        rng=np.random.default_rng(7),
    ).confidence_interval
    ours = bootstrap(
        mean_of(values),
        [f"p{index:02}" for index in owner],
        resampling=Resampling(1000, seed=7, limits=kind.lower()),  # type: ignore[arg-type]
    )["mean"]
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert ours.method == {"percentile": "percentile bootstrap of patients", "BCa": "BCa bootstrap of patients"}[kind]


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_bca_limits_turn_with_any_rising_function_of_the_score(seed: int) -> None:
    values = np.random.default_rng(seed).exponential(size=20)

    def scores(weights: Array) -> dict[str, Array]:
        mean = weighted_mean(values, weights=weights)
        return {"mean": mean, "less": -mean, "far": 4 * mean + 1}

    found = bootstrap(scores, [f"{n:02}" for n in range(20)], resampling=Resampling(400, limits="bca"))
    mean, less, far = (found[name] for name in ("mean", "less", "far"))
    assert (less.low, less.high) == pytest.approx((-mean.high, -mean.low))
    assert (far.low, far.high) == pytest.approx((4 * mean.low + 1, 4 * mean.high + 1))


def test_bca_limits_of_a_skewed_score_reach_further_into_its_tail() -> None:
    values = np.random.default_rng(6).exponential(size=25)
    patients = [f"{n:02}" for n in range(25)]
    plain = bootstrap(mean_of(values), patients)["mean"]
    moved = bootstrap(mean_of(values), patients, resampling=Resampling(limits="bca"))["mean"]
    assert moved.low > plain.low
    assert moved.high > plain.high


def test_bca_of_a_score_at_its_limit_one_patient_or_nothing_defined() -> None:
    corrected = Resampling(200, limits="bca")
    certain = bootstrap(mean_of(np.ones(6)), list("abcdef"), resampling=corrected)["mean"]
    assert (certain.low, certain.value, certain.high) == (1, 1, 1)
    assert math.isnan(bootstrap(mean_of(np.array([0.0, 1])), ["a", "a"], resampling=corrected)["mean"].low)
    never = bootstrap(lambda weights: {"none": np.full(len(weights), np.nan)}, ["a", "b"], resampling=corrected)["none"]
    assert (never.resamples, math.isnan(never.low)) == (0, True)
    # leaving out the one positive patient leaves the area undefined; the others tell how it changes
    labels, scores = np.array([1] + [0] * 9), np.r_[5.5, np.arange(9)]
    area = bootstrap(
        lambda weights: {"area": auroc(labels, scores, weights=weights)}, list("abcdefghij"), resampling=corrected
    )["area"]
    assert 0 <= area.low < area.value < area.high <= 1


def test_bca_says_nothing_where_all_resamples_lie_on_one_side() -> None:
    # the number of patients drawn is never above that of the patients there are
    found = bootstrap(
        lambda weights: {"people": (weights > 0).sum(1).astype(float)},
        [f"{n:02}" for n in range(30)],
        resampling=Resampling(200, limits="bca"),
    )["people"]
    assert found.value == 30
    assert math.isnan(found.low)


def test_bca_sees_the_same_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).random(31)
    patients = [str(index) for index in range(31)]
    whole = bootstrap(mean_of(values), patients, resampling=Resampling(300, limits="bca"))
    monkeypatch.setattr(module, "_BLOCK", 31 * 7)
    assert bootstrap(mean_of(values), patients, resampling=Resampling(300, limits="bca")) == whole


def test_single_scores_can_be_corrected_beside_others() -> None:
    values = np.random.default_rng(3).exponential(size=31)
    patients = [str(index) for index in range(31)]

    def scores(weights: Array) -> dict[str, Array]:
        return {"mean": weighted_mean(values, weights=weights), "square": weighted_mean(values**2, weights=weights)}

    found = bootstrap(scores, patients, resampling=Resampling(300), skewed=["square", "absent"])
    assert found["mean"] == bootstrap(scores, patients, resampling=Resampling(300))["mean"]
    assert found["square"] == bootstrap(scores, patients, resampling=Resampling(300, limits="bca"))["square"]


def test_of_many_patients_several_are_left_out_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).exponential(size=4000)
    patients = [str(index) for index in range(4000)]
    each = bootstrap(mean_of(values), patients, resampling=Resampling(200, limits="bca"))["mean"]
    calls = []

    def counted(weights: Array) -> dict[str, Array]:
        calls.append(len(weights))
        return mean_of(values)(weights)

    monkeypatch.setattr(module, "_MOST_LEFT_OUT", 500)
    found = bootstrap(counted, patients, resampling=Resampling(200, limits="bca"))["mean"]
    assert sum(calls) == 1 + 200 + 500
    assert (found.low, found.high) == pytest.approx((each.low, each.high), abs=0.05 * (each.high - each.low))
