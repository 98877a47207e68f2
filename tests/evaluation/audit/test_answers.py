import doctest

import numpy as np
import pytest

from sightline.evaluation.audit import words as words_module
from sightline.evaluation.audit.answers import (
    area_at_limits,
    at_limits,
    flipped,
    is_labelled,
    moved,
    predictions_of,
    shift,
)
from sightline.evaluation.bias_gap import paired_change
from sightline.evaluation.record import Evaluation
from sightline.evaluation.scores import measure
from sightline.metrics import Interval, Resampling, wilson_interval

from .made import Reads, cohort_of, labels_of, multilabels, subject_of

NAN = float("nan")
FEW = Resampling(100)


def chances(n: int, k: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(k), n)


def test_how_far_probabilities_move() -> None:
    before, after = np.array([[0.7, 0.2, 0.1]]), np.array([[0.1, 0.2, 0.7]])
    assert shift(before, after, several=False) == pytest.approx([0.6]), "0.6 of probability goes elsewhere"
    assert shift(before, after, several=True) == pytest.approx([0.4]), "0.6, 0 and 0.6"
    assert np.isnan(shift(before, np.full((1, 3), np.nan), several=False)).all()


def test_flips_are_counted_by_decision() -> None:
    single = subject_of(Reads("region"), cohort_of([0, 1]))
    before = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    after = np.array([[0.4, 0.35, 0.25], [0.3, 0.5, 0.2], [NAN, NAN, NAN]])
    np.testing.assert_array_equal(flipped(single, before, after), [0, 1, NAN])
    several = subject_of(Reads("region"), cohort_of(multilabels(2), task="multilabel"))
    np.testing.assert_allclose(flipped(several, before[:2], after[:2]), [1 / 3, 2 / 3])


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_changes_of_scores_are_those_of_the_paired_change(task: str) -> None:
    labels = labels_of(40) if task == "multiclass" else multilabels(40)
    cohort = cohort_of(labels, task=task, pairs=True)  # type: ignore[arg-type]
    subject = subject_of(Reads("region"), cohort)
    before, after = chances(40), chances(40, seed=1)
    found = moved(subject, cohort.cases, before, {"a": after}, resampling=FEW)["a"]
    sides = [predictions_of(subject, cohort.cases, p) for p in (before, after)]
    before_after = (Evaluation(side, measure(side, resampling=FEW)) for side in sides)
    expected = paired_change(*before_after, resampling=FEW)
    assert found.scores["auroc"] == expected["auroc"]
    assert found.scores["macro_f1"] == expected["macro_f1"]


def test_cases_without_an_answer_are_left_out_of_both_sides() -> None:
    cohort = cohort_of(labels_of(40))
    subject = subject_of(Reads("region"), cohort)
    before, after = chances(40), chances(40, seed=1)
    holes = after.copy()
    holes[30:] = np.nan
    found = moved(subject, cohort.cases, before, {"a": holes, "none": np.full((40, 3), np.nan)}, resampling=FEW)
    assert list(found) == ["a"]
    fewer = moved(subject, cohort.cases[:30], before[:30], {"a": after[:30]}, resampling=FEW)["a"]
    for one, other in zip(found["a"].numbers(""), fewer.numbers(""), strict=True):
        assert one.interval.value == pytest.approx(other.interval.value)
        assert (one.interval.n, one.interval.n_patients) == (30, 30)


def test_a_change_may_start_from_a_control() -> None:
    cohort = cohort_of(labels_of(30))
    subject = subject_of(Reads("region"), cohort)
    before, control, after = (chances(30, seed=seed) for seed in range(3))
    found = moved(subject, cohort.cases, before, {"a": after}, resampling=FEW, since={"a": control})
    direct = moved(subject, cohort.cases, control, {"a": after}, resampling=FEW)
    assert found == direct


def test_unlabelled_cases_are_moved_and_not_scored() -> None:
    cohort = cohort_of([-1] * 20)
    subject = subject_of(Reads("region"), cohort)
    found = moved(subject, cohort.cases, chances(20), {"a": chances(20, seed=1)}, resampling=FEW)["a"]
    assert found.change.value > 0
    assert found.change.n == 20
    assert np.isnan(found.scores["auroc"].value)
    assert [is_labelled(case) for case in cohort_of([0, -1]).cases] == [True, False]
    assert [is_labelled(case) for case in cohort_of([(NAN, 0.5, NAN), (NAN, 0.0, NAN)]).cases] == [False, True]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_at_its_limit_has_the_width_of_wilson(share: float) -> None:
    found = at_limits(Interval(share, share, share, 80, "bootstrap", n_patients=40))
    expected = wilson_interval(share * 40, 40)
    assert (found.low, found.high, found.n) == (expected.low, expected.high, 80)
    inner = Interval(0.5, 0.4, 0.6, 80, "bootstrap", n_patients=40)
    assert at_limits(inner) is inner


def test_a_perfect_area_of_few_is_not_certain() -> None:
    for n, least in ((4, 0.0), (40, 0.8), (400, 0.97)):
        labels = labels_of(n, 2)
        cohort = cohort_of(labels, task="binary", classes=("no", "yes"))
        subject = subject_of(Reads("region"), cohort)
        predictions = predictions_of(subject, cohort.cases, np.eye(2)[labels])
        found = area_at_limits(Interval(1.0, 1.0, 1.0, n, "bootstrap"), predictions)
        assert found.high == 1
        assert least < found.low < 1
    inner = Interval(0.9, 0.8, 0.95, 400, "bootstrap")
    assert area_at_limits(inner, predictions) is inner


def test_words() -> None:
    assert doctest.testmod(words_module).failed == 0
    assert words_module.percent(Interval(NAN, NAN, NAN, 0, "")) == "an unknown share"
    assert words_module.plain(Interval(0.5, NAN, NAN, 1, "")) == "0.50"
    assert words_module.signed(Interval(NAN, NAN, NAN, 0, "")) == "undefined"
    assert words_module.those([]) == ""
    assert words_module.those(["a"]) == "a"
