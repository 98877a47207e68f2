from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sightline.errors import DataError
from sightline.evaluation.bias_gap import bias_gap, paired_change
from sightline.evaluation.predictions import Predictions
from sightline.evaluation.record import Evaluation
from sightline.evaluation.scores import measure
from sightline.metrics.resampling import Resampling

Make = Callable[..., Predictions]
FEW = Resampling(resamples=300)


def evaluated(predictions: Predictions) -> Evaluation:
    return Evaluation(predictions, measure(predictions, resampling=FEW))


def answering(predictions: Predictions, predicted: np.ndarray) -> Predictions:
    return replace(predictions, predicted=predicted, probabilities=np.eye(len(predictions.classes))[predicted])


def test_gap_of_a_model_that_reads_the_bias_alone_is_all_it_scored(predictions: Make) -> None:
    known = predictions()
    on = evaluated(answering(known, known.labels))
    swapped = evaluated(answering(known, (known.labels + 1) % 3))
    gap = bias_gap(on, swapped, resampling=FEW)
    for name in ("accuracy", "macro_f1", "balanced_accuracy"):
        assert (gap[name].value, gap[name].low, gap[name].high) == (1, 1, 1)
    assert gap["auroc"].value == pytest.approx(on.metrics["auroc"].value - swapped.metrics["auroc"].value)
    assert gap["macro_f1"].method == "paired percentile bootstrap of patients"
    change = paired_change(on, swapped, resampling=FEW)
    assert change["macro_f1"].value == -1


def test_a_model_that_answers_the_same_has_no_gap(predictions: Make) -> None:
    same = evaluated(predictions())
    for interval in bias_gap(same, same, resampling=FEW).values():
        assert (interval.value, interval.low, interval.high) == (0, 0, 0)


def test_interval_of_the_gap_is_that_of_the_differences_by_patient(predictions: Make) -> None:
    known = predictions(n=200)
    other = known.predicted.copy()
    other[:20] = (other[:20] + 1) % 3
    on, off = evaluated(known), evaluated(answering(known, other))
    gap = bias_gap(on, off, resampling=Resampling(resamples=2000))["accuracy"]
    right, still = known.predicted == known.labels, other == known.labels
    per_patient = (right.astype(float) - still).reshape(100, 2).mean(1)
    half = 1.96 * per_patient.std() / 10
    assert gap.value == pytest.approx(per_patient.mean())
    assert (gap.high - gap.low) / 2 == pytest.approx(half, rel=0.15)
    apart = on.metrics["accuracy"].high - on.metrics["accuracy"].low
    assert gap.high - gap.low < apart


def test_only_cases_in_both_count_and_shares_only_where_both_were_measured(predictions: Make) -> None:
    known = predictions()
    less = known.take(range(10, 50))
    inside = less.relevance_inside.copy()
    inside[1] = np.nan
    on, off = evaluated(known), evaluated(replace(less, relevance_inside=inside - 0.1))
    gap = bias_gap(on, off, resampling=FEW)
    assert (gap["accuracy"].n, gap["accuracy"].n_patients, gap["accuracy"].value) == (40, 20, 0)
    assert gap["relevance_inside"].n == 31
    assert gap["relevance_inside"].value == pytest.approx(0.1)
    assert gap["relevance_inside"].low == pytest.approx(0.1)
    unexplained = replace(less, relevance_inside=np.full(40, np.nan))
    assert "relevance_inside" not in bias_gap(on, evaluated(unexplained), resampling=FEW)


def test_multi_label_gaps_are_measured_too(predictions: Make) -> None:
    known = predictions("multilabel")
    off = replace(known, predicted=1 - known.predicted)
    gap = bias_gap(evaluated(known), evaluated(off), resampling=FEW)
    assert gap["accuracy"].value > 0.2
    assert gap["auroc"].value == 0


def test_evaluations_of_other_cases_have_no_gap(predictions: Make) -> None:
    with pytest.raises(DataError, match="share no case"):
        bias_gap(evaluated(predictions().take([0, 1])), evaluated(predictions().take([2, 3])), resampling=FEW)
