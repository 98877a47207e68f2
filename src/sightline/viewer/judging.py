"""Whether an answer is right, how far runs are apart, and how often answers as sure as this one were true."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sightline.evaluation import Predictions
from sightline.evaluation.scores import known_labels
from sightline.metrics.intervals import Interval, wilson_interval

Judged = Literal["right", "wrong", "unknown"]

WIDTH, LEAST = 0.05, 10  # of the band of probabilities to either side, and of patients in it


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is true of each answer, a column an attribute, `(N,)` bool.

    Attributes:
        right: nothing that is known speaks against it.
        wrong: something does.
        missed: a class that is there was not answered; of one label an image the same as `wrong`.
        false_alarm: a class that is not there was answered; likewise.
    """

    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    missed: NDArray[np.bool_]
    false_alarm: NDArray[np.bool_]


def judge(predictions: Predictions) -> Judgement:
    """Judge every answer; of several labels those that are 0 or 1 count, and where none is, nothing is known."""
    if predictions.task != "multilabel":
        right = np.asarray(predictions.predicted == predictions.labels)
        return Judgement(right, ~right, ~right, ~right)
    truth = known_labels(predictions)
    missed = ((truth == 1) & (predictions.predicted == 0)).any(1)
    false_alarm = ((truth == 0) & (predictions.predicted == 1)).any(1)
    wrong = missed | false_alarm
    return Judgement(~wrong & ~np.isnan(truth).all(1), wrong, missed, false_alarm)


def disagreement(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """Return how far runs are apart in each case: the largest difference between their probabilities of any class.

    Args:
        probabilities: `(runs, N, K)`, NaN where a run was not asked.

    Returns:
        `(N,)`, 0 to 1; NaN where fewer than two runs were asked.
    """
    asked = ~np.isnan(probabilities).all(2)  # (runs, N)
    low = np.where(np.isnan(probabilities), np.inf, probabilities).min(0)
    high = np.where(np.isnan(probabilities), -np.inf, probabilities).max(0)
    apart: NDArray[np.float64] = np.where(asked.sum(0) > 1, (high - low).max(1), np.nan)
    return apart


@dataclass(frozen=True)
class Observed:
    """How often a class was there in other patients who were given about the same probability.

    Attributes:
        low: probability at which the band begins.
        high: where it ends.
        share: of those patients, with its interval.
        present: how many of them had the class.
    """

    low: float
    high: float
    share: Interval
    present: int


def observed(predictions: Predictions, of: int, probability: float, *, without_patient: str = "") -> Observed | None:
    r"""Count how often a class was there among evaluated images that were given nearly the same probability of it.

    One answer of one model has no interval of its own. What can be counted honestly is how answers like it fared: with
    $|p_i - p| \le 0.05$, one image a patient (the nearest), the share of them in which the class is there, and Wilson's
    interval of that share.

    Args:
        predictions: evaluated images.
        of: index of the class.
        probability: that this image was given.
        without_patient: who is on this image, and is not counted.

    Returns:
        None where fewer than 10 patients are in the band: they would say nothing.
    """
    given = predictions.probabilities[:, of]
    truth = known_labels(predictions)[:, of] if predictions.task == "multilabel" else predictions.labels == of
    distance = np.abs(given - probability)
    nearest: dict[str, int] = {}
    for row in np.argsort(distance, kind="stable"):
        if distance[row] > WIDTH:
            break
        patient = predictions.patients[row]
        if patient != without_patient and not np.isnan(float(truth[row])):
            nearest.setdefault(patient, int(row))
    if len(nearest) < LEAST:
        return None
    present = int(sum(truth[row] == 1 for row in nearest.values()))
    share = wilson_interval(present, len(nearest))
    return Observed(max(0.0, probability - WIDTH), min(1.0, probability + WIDTH), share, present)
