"""Every score of a set of predictions, with its interval over resampled patients."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sightline.evaluation.predictions import Predictions
from sightline.metrics.averages import Array, mean_defined, weighted_mean
from sightline.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1,
    label_tables,
    macro_f1,
    precision,
    recall,
    specificity,
)
from sightline.metrics.intervals import Interval
from sightline.metrics.ranking import auroc_one_vs_rest, auroc_pairwise
from sightline.metrics.resampling import Resampling, bootstrap

Key = tuple[str, str | None]
"""Name of a score, and the class it belongs to; None for a score of all."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores with intervals, and the counts they come from.

    Attributes:
        metrics: by name: `accuracy`, `balanced_accuracy`, `macro_f1`, `auroc` (mean of one class against the rest), for
            more than two classes `auroc_pairwise` (Hand and Till), and where explanations were measured
            `relevance_inside` and `region_area` (means over cases). For `multilabel` they are means over the labels.
        per_class: by class, then by name: `precision`, `recall`, `specificity`, `f1`, `auroc`.
        confusion: `(K, K)`, true class down; for `multilabel` a table `[[TN, FP], [FN, TP]]` each, `(K, 2, 2)`.
    """

    metrics: dict[str, Interval]
    per_class: dict[str, dict[str, Interval]]
    confusion: Array


def measure(predictions: Predictions, *, resampling: Resampling | None = None) -> Scores:
    """Score predictions.

    An interval's `n` counts the cases that the score divides by or ranks: all for accuracy, those of the class for
    recall, those taken for it for precision, the others for specificity; `n_patients` counts whom they belong to.

    Args:
        predictions: truth and answers.
        resampling: how often, from which seed, which level; all scores see the same resamples.

    Raises:
        DataError: there is no case.
    """
    found = bootstrap(statistic(predictions), predictions.patients, resampling=resampling)
    metrics: dict[str, Interval] = {}
    per_class: dict[str, dict[str, Interval]] = {name: {} for name in predictions.classes}
    for (name, of), interval in found.items():
        counted = _counted(predictions, name, of)
        patients = {patient for patient, counts in zip(predictions.patients, counted, strict=True) if counts}
        exact = replace(interval, n=int(counted.sum()), n_patients=len(patients))
        if of is None:
            metrics[name] = exact
        else:
            per_class[of][name] = exact
    return Scores(metrics, per_class, _table(predictions, None))


def statistic(predictions: Predictions) -> Callable[[Array], dict[Key, Array]]:
    """Make the function from rows of weights `(B, N)` to all scores, `(B,)` each, that a bootstrap asks for."""
    several = predictions.task == "multilabel"
    truth = known_labels(predictions) if several else predictions.labels
    explained = bool((~np.isnan(predictions.relevance_inside)).any())

    def scores(weights: Array) -> dict[Key, Array]:
        table = _table(predictions, weights)
        areas = auroc_one_vs_rest(truth, predictions.probabilities, weights=weights)  # (B, K)
        single = {name: _of_classes(score(table), several=several) for name, score in _PER_CLASS.items()}
        found: dict[Key, Array] = {
            ("accuracy", None): _over_labels(accuracy(table), several=several),
            ("balanced_accuracy", None): _over_labels(balanced_accuracy(table), several=several),
            ("macro_f1", None): mean_defined(single["f1"]) if several else macro_f1(table),
            ("auroc", None): mean_defined(areas),
        }
        if not several and len(predictions.classes) > 2:
            found["auroc_pairwise", None] = auroc_pairwise(truth, predictions.probabilities, weights=weights)
        if explained:
            found["relevance_inside", None] = weighted_mean(predictions.relevance_inside, weights=weights)
            found["region_area", None] = weighted_mean(predictions.region_area, weights=weights)
        for index, of in enumerate(predictions.classes):
            for name, values in (*single.items(), ("auroc", areas)):
                found[name, of] = values[:, index]
        return found

    return scores


def known_labels(predictions: Predictions) -> Array:
    """Labels of a multi-label task that are certain: 1 and 0, NaN for the rest, `(N, K)`."""
    return np.where(np.isin(predictions.labels, (0, 1)), predictions.labels, np.nan)


_PER_CLASS = {"precision": precision, "recall": recall, "specificity": specificity, "f1": f1}


def _table(predictions: Predictions, weights: Array | None) -> Array:
    if predictions.task == "multilabel":
        return label_tables(known_labels(predictions), predictions.predicted, weights=weights)
    return confusion_matrix(predictions.labels, predictions.predicted, len(predictions.classes), weights=weights)


def _of_classes(values: Array, *, several: bool) -> Array:
    """Keep one number a class: of a label's two sides, that of its presence."""
    return values[..., 1] if several else values


def _over_labels(values: Array, *, several: bool) -> Array:
    return mean_defined(values) if several else values


def _counted(predictions: Predictions, name: str, of: str | None) -> NDArray[np.bool_]:
    """Cases that a score rests on, `(N,)`."""
    if name in ("relevance_inside", "region_area"):
        measured: NDArray[np.bool_] = ~np.isnan(getattr(predictions, name))
        return measured
    if predictions.task == "multilabel":
        truth = known_labels(predictions)
        if of is None:
            return np.asarray((~np.isnan(truth)).any(axis=1), np.bool_)
        index = predictions.classes.index(of)
        known = ~np.isnan(truth[:, index])
        positive, taken = truth[:, index] == 1, predictions.predicted[:, index] == 1
    else:
        known = np.ones(len(predictions), dtype=bool)
        if of is None:
            return known
        index = predictions.classes.index(of)
        positive, taken = predictions.labels == index, predictions.predicted == index
    rests_on: dict[str, NDArray[np.bool_]] = {"recall": positive, "precision": taken, "specificity": ~positive}
    counted: NDArray[np.bool_] = known & rests_on.get(name, known)
    return counted
