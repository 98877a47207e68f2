from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from sightline.data.cohort import Task
from sightline.evaluation.predictions import Predictions
from sightline.evaluation.scores import measure
from sightline.metrics import auroc_one_vs_rest, auroc_pairwise, delong_interval, mean_defined
from sightline.metrics.averages import Array
from sightline.metrics.resampling import Resampling, bootstrap

Make = Callable[..., Predictions]
FEW = Resampling(resamples=200)


def test_multi_class_scores_agree_with_scikit_learn(predictions: Make) -> None:
    known = predictions(num_classes=4)
    scores = measure(known, resampling=FEW)
    truth, answer, probabilities = known.labels, known.predicted, known.probabilities
    expected = {
        "accuracy": sk.accuracy_score(truth, answer),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, answer),
        "macro_f1": sk.f1_score(truth, answer, average="macro"),
        "auroc": sk.roc_auc_score(truth, probabilities, multi_class="ovr"),
        "auroc_pairwise": sk.roc_auc_score(truth, probabilities, multi_class="ovo"),
        "relevance_inside": np.nanmean(known.relevance_inside),
        "region_area": 0.25,
    }
    assert list(scores.metrics) == list(expected)
    for name, value in expected.items():
        interval = scores.metrics[name]
        assert interval.value == pytest.approx(value)
        assert interval.low <= interval.value <= interval.high
    assert (scores.confusion == sk.confusion_matrix(truth, answer)).all()
    precision, recall, f1, _ = sk.precision_recall_fscore_support(truth, answer)
    for index, name in enumerate(known.classes):
        ours = {score: interval.value for score, interval in scores.per_class[name].items()}
        specificity = sk.recall_score(truth != index, answer != index)
        auroc = sk.roc_auc_score(truth == index, probabilities[:, index])
        theirs = [precision[index], recall[index], specificity, f1[index], auroc]
        assert ours == pytest.approx(
            dict(zip(("precision", "recall", "specificity", "f1", "auroc"), theirs, strict=True))
        )


def test_multi_label_scores_agree_with_scikit_learn_and_leave_the_unknown_out(predictions: Make) -> None:
    known = predictions("multilabel")
    scores = measure(known, resampling=FEW)
    f1s, areas, accuracies = [], [], []
    for index, name in enumerate(known.classes):
        certain = np.isin(known.labels[:, index], (0, 1))  # not NaN and not 0.5
        truth, answer = known.labels[certain, index], known.predicted[certain, index]
        f1s.append(sk.f1_score(truth, answer))
        areas.append(sk.roc_auc_score(truth, known.probabilities[certain, index]))
        accuracies.append(sk.accuracy_score(truth, answer))
        assert scores.per_class[name]["f1"].value == pytest.approx(f1s[-1])
        assert scores.per_class[name]["specificity"].value == pytest.approx(sk.recall_score(truth, answer, pos_label=0))
        assert scores.per_class[name]["auroc"].n == certain.sum()
        assert scores.per_class[name]["recall"].n == truth.sum()
        assert (scores.confusion[index] == sk.confusion_matrix(truth, answer)).all()
    assert scores.metrics["macro_f1"].value == pytest.approx(np.mean(f1s))
    assert scores.metrics["auroc"].value == pytest.approx(np.mean(areas))
    assert scores.metrics["accuracy"].value == pytest.approx(np.mean(accuracies))
    assert "auroc_pairwise" not in scores.metrics


def test_counts_say_what_a_score_rests_on(predictions: Make) -> None:
    known = predictions()
    scores = measure(known, resampling=FEW)
    assert (scores.metrics["accuracy"].n, scores.metrics["accuracy"].n_patients) == (60, 30)
    assert scores.metrics["relevance_inside"].n == 48
    of_class = scores.per_class["pneumonia"]
    table = scores.confusion
    assert of_class["recall"].n == table[1].sum()
    assert of_class["precision"].n == table[:, 1].sum()
    assert of_class["specificity"].n == 60 - table[1].sum()
    assert of_class["recall"].n_patients == len({known.patients[row] for row in np.flatnonzero(known.labels == 1)})
    fields = scores.metrics["macro_f1"]
    assert (fields.method, fields.level, fields.seed) == ("percentile bootstrap of patients", 0.95, 0)


def test_binary_area_is_that_of_the_second_class(predictions: Make) -> None:
    known = predictions("binary", num_classes=2)
    scores = measure(known, resampling=FEW)
    assert scores.metrics["auroc"].value == pytest.approx(sk.roc_auc_score(known.labels, known.probabilities[:, 1]))
    assert "auroc_pairwise" not in scores.metrics


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_class_that_no_case_has_is_undefined_not_zero(task: Task, predictions: Make) -> None:
    known = predictions(task)
    labels = known.labels.copy()
    if task == "multilabel":
        labels[:, 2] = 0
    else:
        labels[labels == 2] = 1
    scores = measure(replace(known, labels=labels), resampling=FEW)
    assert np.isnan(scores.per_class["effusion"]["recall"].value)
    assert scores.per_class["effusion"]["recall"].n == 0
    assert scores.per_class["effusion"]["recall"].resamples == 0
    areas = [scores.per_class[name]["auroc"].value for name in ("normal", "pneumonia")]
    assert np.isnan(scores.per_class["effusion"]["auroc"].value)
    assert scores.metrics["auroc"].value == pytest.approx(np.mean(areas))


def test_nothing_explained_gives_no_share(predictions: Make) -> None:
    known = predictions()
    scores = measure(replace(known, relevance_inside=np.full(60, np.nan)), resampling=FEW)
    assert "relevance_inside" not in scores.metrics


def test_areas_have_the_limits_that_cover_best_and_all_else_percentiles(predictions: Make) -> None:
    known = predictions(num_classes=4, n=120)
    scores = measure(known, resampling=FEW)
    for index, name in enumerate(known.classes):
        truth = (known.labels == index).astype(float)
        expected = delong_interval(truth, known.probabilities[:, index], patients=known.patients)
        found = scores.per_class[name]["auroc"]
        assert (found.low, found.high, found.method) == (expected.low, expected.high, "DeLong, logit")
        assert scores.per_class[name]["f1"].method == "percentile bootstrap of patients"

    def means(weights: Array) -> dict[str, Array]:
        areas = auroc_one_vs_rest(known.labels, known.probabilities, weights=weights)
        pairs = auroc_pairwise(known.labels, known.probabilities, weights=weights)
        return {"auroc": mean_defined(areas), "auroc_pairwise": pairs, "accuracy": weights @ right / weights.sum(-1)}

    right = (known.labels == known.predicted).astype(float)
    corrected = bootstrap(means, known.patients, resampling=replace(FEW, limits="bca"))
    plain = bootstrap(means, known.patients, resampling=FEW)
    for name, expected in {**corrected, "accuracy": plain["accuracy"]}.items():
        found = scores.metrics[name]
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert found.method == expected.method


def test_the_area_of_a_binary_task_has_the_limits_of_delong(predictions: Make) -> None:
    known = predictions("binary", num_classes=2)
    scores = measure(known, resampling=FEW)
    expected = delong_interval(known.labels, known.probabilities[:, 1], patients=known.patients)
    for found in (scores.metrics["auroc"], scores.per_class["pneumonia"]["auroc"]):
        assert (found.low, found.high) == (expected.low, expected.high)


@pytest.mark.parametrize(("task", "num_classes"), [("multiclass", 3), ("multilabel", 3), ("binary", 2)])
def test_a_model_without_a_mistake_is_not_certain_of_its_area(task: Task, num_classes: int, predictions: Make) -> None:
    known = predictions(task, num_classes=num_classes)
    if task == "multilabel":
        truth = np.where(np.isin(known.labels, (0, 1)), known.labels, 0)
        perfect = replace(known, labels=truth, probabilities=0.1 + 0.8 * truth)
    else:
        perfect = replace(known, probabilities=np.eye(num_classes)[known.labels])
    scores = measure(perfect, resampling=FEW)
    areas = [score for name, score in scores.metrics.items() if name.startswith("auroc")]
    for area in (*areas, *(scores.per_class[name]["auroc"] for name in perfect.classes)):
        assert area.value == area.high == 1
        assert 0.5 < area.low < 0.99
