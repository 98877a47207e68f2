"""What a model answers to images that were changed, against what it answered before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sightline.data.cohort import Case
from sightline.evaluation.audit.section import Number
from sightline.evaluation.audit.subject import Subject
from sightline.evaluation.predictions import Predictions
from sightline.evaluation.scores import Key, known_labels, statistic
from sightline.metrics import (
    Interval,
    Resampling,
    bootstrap,
    delong_interval,
    mean_halfwidth,
    patient_means,
    wilson_interval,
)

Array = NDArray[np.float64]
SCORES: Mapping[str, str] = {"auroc": "AUC", "macro_f1": "macro-F1"}


@dataclass(frozen=True)
class Moved:
    """How far answers were moved.

    Attributes:
        change: mean over cases of `shift`.
        flips: share of decisions that became others.
        scores: by name, the score afterwards less that before, of the same cases.
    """

    change: Interval
    flips: Interval
    scores: Mapping[str, Interval]

    def numbers(self, of: str) -> tuple[Number, ...]:
        """Everything as the numbers of a section."""
        rows = [Number("share of decisions that flip", self.flips, of)]
        rows += [Number(f"{words} after less before", self.scores[name], of) for name, words in SCORES.items()]
        return (*rows, Number("mean change of probability", self.change, of))


def predictions_of(subject: Subject, cases: Sequence[Case], probabilities: Array) -> Predictions:
    """Put truth and answers of N cases together.

    Args:
        subject: who answered.
        cases: the cases, with labels.
        probabilities: of each class, `(N, K)`.
    """
    kind = np.float64 if subject.task == "multilabel" else np.int64
    nothing = np.full(len(cases), np.nan)
    return Predictions(
        subject.task,
        subject.classes,
        tuple(case.id for case in cases),
        tuple(case.patient for case in cases),
        np.array([case.label for case in cases], kind),
        probabilities,
        subject.decide(probabilities),
        np.full(len(cases), -1, np.int64),
        nothing,
        nothing,
    )


def is_labelled(case: Case) -> bool:
    """Whether anything is known about what a case shows."""
    return case.label >= 0 if isinstance(case.label, int) else any(value in (0, 1) for value in case.label)


def shift(before: Array, after: Array, *, several: bool) -> Array:
    """Measure how far probabilities move.

    Args:
        before: `(N, K)`.
        after: `(N, K)`; a row of NaN stays NaN.
        several: one probability a label; otherwise they sum to 1.

    Returns:
        `(N,)`, 0 to 1: of one label an image the total variation distance, half the sum of absolute differences, which
        is how much probability goes elsewhere; of several labels the mean absolute difference.
    """
    distance: Array = np.abs(after - before).mean(1) if several else np.abs(after - before).sum(1) / 2
    return distance


def flipped(subject: Subject, before: Array, after: Array) -> Array:
    """Tell whose decision changes: 1 or 0, of several labels the share of them, `(N,)`; NaN for a row of NaN."""
    changed = (subject.decide(before) != subject.decide(after)).astype(np.float64).reshape(len(before), -1).mean(1)
    return np.where(np.isnan(after).any(1), np.nan, changed)


def moved(
    subject: Subject,
    cases: Sequence[Case],
    before: Array,
    after: Mapping[str, Array],
    *,
    resampling: Resampling,
    since: Mapping[str, Array] | None = None,
) -> dict[str, Moved]:
    """Measure how far answers to the same cases were moved, in several ways at once.

    Cases that an `after` has no answer for (NaN) are left out of both sides, and cases without a label out of the
    scores. All intervals see the same resamples of patients.

    Args:
        subject: who answered.
        cases: N cases.
        before: probabilities, `(N, K)`.
        after: the same after each change, by its name.
        resampling: how patients are drawn.
        since: by name what else to start from than `before`, such as a control.

    Returns:
        By name; those that have no case at all are left out.
    """
    starts = {name: (since or {}).get(name, before) for name in after}
    known = {name: _complete(values) & _complete(starts[name]) for name, values in after.items()}
    names = [name for name in after if known[name].any()]
    if not names:
        return {}
    patients = tuple(case.patient for case in cases)
    several = subject.task == "multilabel"
    pairs = [(starts[name], after[name]) for name in names]
    columns = [shift(a, b, several=several) for a, b in pairs] + [flipped(subject, a, b) for a, b in pairs]
    means = patient_means(np.stack(columns, 1), patients, resampling=resampling)
    scores = _scores(subject, cases, {name: (starts[name], after[name], known[name]) for name in names}, resampling)
    return {
        name: Moved(means[index], at_limits(means[len(names) + index]), {key: scores[name, key] for key in SCORES})
        for index, name in enumerate(names)
    }


def at_limits(share: Interval) -> Interval:
    """Widen the interval of a share of 0 or 1, which no resample of patients can, to Wilson's of that many patients."""
    if share.value not in (0, 1) or not share.n_patients:
        return share
    wide = wilson_interval(share.value * share.n_patients, share.n_patients, level=share.level)
    return replace(share, low=wide.low, high=wide.high, method="Wilson score of patients")


def area_at_limits(area: Interval, predictions: Predictions) -> Interval:
    """Widen a mean area that all resamples agree on: take the means of the limits that its classes have by DeLong.

    Where the images are put in order without a mistake, or with nothing but mistakes, no resample knows better; the
    score interval that DeLong's function falls back on there does.
    """
    if area.low != area.high:
        return area
    several = predictions.task == "multilabel"
    truth = known_labels(predictions) if several else predictions.labels[:, None] == np.arange(len(predictions.classes))
    found = [
        delong_interval(of, chance, patients=predictions.patients, level=area.level)
        for of, chance in zip(truth.T.astype(np.float64), predictions.probabilities.T, strict=True)
    ]
    wide = mean_halfwidth(found)
    low, high = min(area.value, wide.low), max(area.value, wide.high)
    return replace(area, low=low, high=high, method="mean of class limits, DeLong or score")


def _scores(
    subject: Subject,
    cases: Sequence[Case],
    answers: Mapping[str, tuple[Array, Array, NDArray[np.bool_]]],
    resampling: Resampling,
) -> dict[tuple[str, str], Interval]:
    """Return each score afterwards less before; NaN where no label is known."""
    rows = [row for row, case in enumerate(cases) if is_labelled(case)]
    labelled = [cases[row] for row in rows]
    if not labelled:
        nan = float("nan")
        nothing = Interval(nan, nan, nan, 0, "nothing to score")
        return {(name, key): nothing for name in answers for key in SCORES}
    sides = {
        name: tuple(statistic(predictions_of(subject, labelled, np.nan_to_num(side[rows]))) for side in (before, after))
        for name, (before, after, _) in answers.items()
    }

    def differences(weights: Array) -> dict[tuple[str, str], Array]:
        found = {}
        for name, (before, after) in sides.items():
            counted = weights * answers[name][2][rows]
            old, new = _headline(before(counted)), _headline(after(counted))
            found.update({(name, key): new[key] - old[key] for key in SCORES})
        return found

    found = bootstrap(differences, [case.patient for case in labelled], resampling=resampling)
    counts = {name: known[rows] for name, (_, _, known) in answers.items()}
    return {
        (name, key): replace(
            interval,
            n=int(counts[name].sum()),
            n_patients=len({case.patient for case, known in zip(labelled, counts[name], strict=True) if known}),
            method=f"paired {interval.method}",
        )
        for (name, key), interval in found.items()
    }


def _complete(values: Array) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(values).any(1), np.bool_)


def _headline(scores: Mapping[Key, Array]) -> dict[str, Array]:
    return {name: scores[name, None] for name in SCORES}
