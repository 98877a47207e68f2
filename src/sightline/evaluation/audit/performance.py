"""How good the answers are, and whether they are as good for everybody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from sightline.data.cohort import Case
from sightline.evaluation.audit.answers import is_labelled, predictions_of
from sightline.evaluation.audit.drawn_tests import drawn_tests
from sightline.evaluation.audit.groups import groups_of
from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.material import Material
from sightline.evaluation.audit.part import Array as Measured
from sightline.evaluation.audit.part import Columns, Part
from sightline.evaluation.audit.rules import GAP, USEFUL, above, worst
from sightline.evaluation.audit.section import Number, Section, Shown, Verdict
from sightline.evaluation.audit.store import Folder
from sightline.evaluation.audit.subject import Subject
from sightline.evaluation.audit.words import plain, signed, those
from sightline.evaluation.predictions import Predictions
from sightline.evaluation.scores import Scores, known_labels, measure
from sightline.metrics import (
    DifferenceTest,
    Interval,
    Resampling,
    auroc_one_vs_rest,
    confusion_matrix,
    holm,
    label_tables,
    mean_defined,
    recall,
)
from sightline.metrics.averages import Array

_OVERALL: Mapping[str, str] = {
    "auroc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
}
_PER_CLASS: Mapping[str, str] = {
    "auroc": "AUC",
    "recall": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "f1": "F1",
}
_GAPS: Mapping[str, str] = {"auroc": "AUC less that of all others", "recall": "sensitivity less that of all others"}
_LIMITS = (
    "The scores are of these images. Other hospitals, other devices and other shares of the classes have others.",
    "A score says how often the model is right, not why: the other parts ask that.",
)


@dataclass(frozen=True)
class Performance(Part):
    """Score the answers, over all, per class, and for groups of patients against all others.

    A gap is the score of a group less that of all others of whom the same is known, by resampled patients, over the
    classes that both sides have: the area, and the sensitivity (of several labels the mean of sensitivity and
    specificity), which also sees a threshold that fits one group alone. P-values of one score are corrected by Holm for
    the number of groups.

    Attributes:
        least: patients that a group must have.
        worst: cases to show.
    """

    name: ClassVar[str] = "performance"
    question: ClassVar[str] = "How often is it right, and as often for everybody?"
    only_answers: ClassVar[bool] = True

    least: int = 20
    worst: int = 8

    def unfit(self, subject: Subject, material: Material) -> str:
        """Labels are needed."""
        return "" if self.chosen(subject, material) else "no image has a label"

    def chosen(self, subject: Subject, material: Material) -> Sequence[Case]:
        """Those with a label."""
        del subject
        return tuple(case for case in material.cases if is_labelled(case))

    def measure(self, subject: Subject, material: Material, look: Look) -> Mapping[str, Measured]:
        """Answers, `(N, K)`."""
        del subject, material
        return {"probabilities": look.probabilities}

    def conclude(self, subject: Subject, material: Material, columns: Columns, folder: Folder) -> Section:
        """Say how good it is, and for whom it is worse."""
        del folder
        predictions = predictions_of(subject, columns.cases, columns["probabilities"])
        scores = measure(predictions, resampling=material.resampling)
        groups = groups_of(columns.cases, least=self.least)
        gaps = _gaps(predictions, groups, material.resampling)
        area = scores.metrics["auroc"]
        verdicts: list[Verdict] = [above(area, good=USEFUL, bad=USEFUL)]
        verdicts += [_served(test, p) for test, p in gaps.values()]
        verdict = worst(verdicts) if area.value == area.value else "unknown"
        behind = [of for (_, of), (test, p) in gaps.items() if _served(test, p) == "bad"]
        return Section(
            self.name,
            self.question,
            verdict,
            _answer(verdict, area, gaps, list(dict.fromkeys(behind))),
            (Number(_OVERALL["auroc"], area), *_numbers(scores, gaps)),
            _mistakes(predictions, self.worst),
            _LIMITS if groups else (*_LIMITS, "No two groups of patients are large enough to be compared."),
        )


Gaps = Mapping[tuple[str, str], tuple[DifferenceTest, float]]
"""By score and group the difference to all others, and its p-value corrected for the number of groups."""


def _gaps(
    predictions: Predictions, groups: Mapping[str, Sequence[bool | None]], resampling: Resampling
) -> dict[tuple[str, str], tuple[DifferenceTest, float]]:
    per_class = {"auroc": partial(_areas, predictions), "recall": partial(_recalls, predictions)}
    members = {of: np.array([belongs is True for belongs in rows], np.float64) for of, rows in groups.items()}
    others = {of: np.array([belongs is False for belongs in rows], np.float64) for of, rows in groups.items()}

    def statistic(weights: Array) -> dict[tuple[str, str], Array]:
        return {
            (name, of): mean_defined(score(weights * members[of]) - score(weights * others[of]))
            for name, score in per_class.items()
            for of in groups
        }

    if not groups:
        return {}
    tests = drawn_tests(statistic, predictions.patients, resampling=resampling)
    found = {}
    for name in per_class:
        adjusted = holm([tests[name, of].p for of in groups])
        found.update({(name, of): (tests[name, of], float(p)) for of, p in zip(groups, adjusted, strict=True)})
    return {key: found[key] for key in found if found[key][0].difference.value == found[key][0].difference.value}


def _areas(predictions: Predictions, weights: Array) -> Array:
    """Area of each class, `(B, K)`; NaN where one side of it has no weight."""
    truth = known_labels(predictions) if predictions.task == "multilabel" else predictions.labels
    return auroc_one_vs_rest(truth, predictions.probabilities, weights=weights)


def _recalls(predictions: Predictions, weights: Array) -> Array:
    """Sensitivity of each class, of several labels the mean of sensitivity and specificity, `(B, K)`."""
    if predictions.task != "multilabel":
        return recall(
            confusion_matrix(predictions.labels, predictions.predicted, len(predictions.classes), weights=weights)
        )
    tables = label_tables(known_labels(predictions), predictions.predicted, weights=weights)
    sides: Array = recall(tables).mean(-1)
    return sides


def _served(test: DifferenceTest, p: float) -> Verdict:
    """Judge a group: `good` if it is at most `GAP` behind, `bad` if it surely is further behind."""
    if test.difference.high < -GAP and p < 0.05:
        return "bad"
    return "good" if test.difference.low > -GAP else "doubtful"


def _numbers(scores: Scores, gaps: Gaps) -> tuple[Number, ...]:
    found = [Number(words, scores.metrics[name]) for name, words in _OVERALL.items() if name != "auroc"]
    for of, by_name in scores.per_class.items():
        found += [Number(words, by_name[name], f"class {of}") for name, words in _PER_CLASS.items()]
    ordered = sorted(gaps.items(), key=lambda item: item[1][0].difference.value)
    for (name, of), (test, p) in ordered:
        found.append(Number(_GAPS[name], test.difference, of, p if p == p else None))
    return tuple(found)


def _answer(verdict: Verdict, area: Interval, gaps: Gaps, behind: Sequence[str]) -> str:
    if verdict == "unknown":
        return "The area cannot be told: the images are all of one class."
    useful = {"good": "Useful", "bad": "Not useful", "doubtful": "Perhaps useful"}[above(area, good=USEFUL, bad=USEFUL)]
    told = [f"{useful}: an AUC of {plain(area)}, which should be above {USEFUL}."]
    if behind:
        told.append(f"It serves {those(behind)} worse than all others, by more than {GAP}.")
    if gaps:
        (name, of), (test, _) = min(gaps.items(), key=lambda item: item[1][0].difference.value)
        told.append(f"The largest gap is that of {of}: {_GAPS[name]} {signed(test.difference)}.")
        if not behind and any(_served(*each) == "doubtful" for each in gaps.values()):
            told.append(f"Too few patients rule out gaps beyond {GAP}.")
    else:
        told.append("No groups of patients could be compared.")
    return " ".join(told)


def _mistakes(predictions: Predictions, count: int) -> tuple[Shown, ...]:
    """Wrong answers, the surest first."""
    if predictions.task == "multilabel":
        truth = known_labels(predictions)
        wrong = (predictions.predicted != truth) & ~np.isnan(truth)
        distance = np.where(wrong, np.abs(truth - predictions.probabilities), -np.inf)
        columns = distance.argmax(1)
        sure = distance.max(1)
        texts = [
            f"{predictions.classes[of]} is {'present' if truth[row, of] else 'absent'} and answered with "
            f"{predictions.probabilities[row, of]:.2f}"
            for row, of in enumerate(columns)
        ]
    else:
        rows = np.arange(len(predictions))
        sure = np.where(
            predictions.predicted != predictions.labels, predictions.probabilities[rows, predictions.predicted], -np.inf
        )
        names, chance = predictions.classes, predictions.probabilities
        texts = [
            f"{names[true]} taken for {names[said]} at {chance[row, said]:.2f}"
            for row, (true, said) in enumerate(zip(predictions.labels, predictions.predicted, strict=True))
        ]
    order = [row for row in np.argsort(-sure, kind="stable")[:count] if np.isfinite(sure[row])]
    return tuple(Shown(predictions.cases[row], texts[row], float(sure[row])) for row in order)
