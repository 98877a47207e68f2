"""Every score of a set of predictions, with its interval over resampled patients."""

from collections.abc import Callable, Mapping, Sequence
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
from sightline.metrics.delong import delong_interval
from sightline.metrics.intervals import Interval, mean_halfwidth
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

    The area of a class has DeLong's limits over patients, a mean of areas those of the BCa bootstrap: they hold the
    truth oftener than percentiles do (docs/methods/statistics.md, "Coverage"). All else is as `resampling` says.

    An interval's `n` counts the cases that the score divides by or ranks: all for accuracy, those of the class for
    recall, those taken for it for precision, the others for specificity; `n_patients` counts whom they belong to.

    Args:
        predictions: truth and answers.
        resampling: how often, from which seed, which level; all scores see the same resamples.

    Raises:
        DataError: there is no case.
    """
    drawn = bootstrap(statistic(predictions), predictions.patients, resampling=resampling, skewed=MEAN_AREAS)
    found = with_area_limits(drawn, [predictions])
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


MEAN_AREAS: tuple[Key, ...] = (("auroc", None), ("auroc_pairwise", None))
"""Means of areas, whose bootstrap is skewed where they are near 1."""


def with_area_limits(scores: Mapping[Key, Interval], runs: Sequence[Predictions]) -> dict[Key, Interval]:
    """Give areas the limits that the bootstrap has not.

    Those of a single run have DeLong's. A mean of areas that no resample moves, or all to one side, as where no mistake
    is made, takes the mean of the limits of its classes.

    Args:
        scores: from a bootstrap, with means over the runs.
        runs: of one recipe, on the same cases; at least one.
    """
    level = next(iter(scores.values())).level
    areas = [_class_areas(run, level) for run in runs]
    found = dict(scores)
    for key, interval in scores.items():
        name, of = key
        if name == "auroc" and len(runs) == 1 and (of is not None or _mirrored(runs[0])):
            found[key] = replace(areas[0][of or runs[0].classes[-1]], value=interval.value)
        elif key in MEAN_AREAS and not interval.low < interval.high:
            wide = mean_halfwidth([area for run in areas for area in run.values()])
            low, high = float(np.fmin(interval.value, wide.low)), float(np.fmax(interval.value, wide.high))
            found[key] = replace(interval, low=low, high=high, method="mean of class limits, DeLong or score")
    return found


def _mirrored(predictions: Predictions) -> bool:
    """Whether there are two classes, either of which puts the images in the same order."""
    return predictions.task != "multilabel" and len(predictions.classes) == 2


def _class_areas(predictions: Predictions, level: float) -> dict[str, Interval]:
    several = predictions.task == "multilabel"
    truth = known_labels(predictions) if several else predictions.labels[:, None] == np.arange(len(predictions.classes))
    return {
        of: delong_interval(labels, scores, patients=predictions.patients, level=level)
        for of, labels, scores in zip(
            predictions.classes, truth.T.astype(np.float64), predictions.probabilities.T, strict=True
        )
    }


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
