"""Cases to look at that the models chose themselves: where they rest least on the region, and are wrong or sure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sightline.evaluation import Predictions
from sightline.evaluation.scores import known_labels


def worst_cases(
    predictions: Sequence[Predictions], *, number: int, sure: float, without: Sequence[str] = ()
) -> tuple[str, ...]:
    """Choose the cases with the least relevance inside the region among answers that are wrong or sure.

    Several models take turns, so that the worst of each are among them; a case is chosen once.

    Args:
        predictions: of each model.
        number: most cases to choose.
        sure: least probability of an answer that counts as sure.
        without: cases that are not to be chosen.

    Returns:
        Names of cases, the worst of the first model first; fewer than `number` where no more are known.
    """
    queues = []
    for known in predictions:
        counted = ~np.isnan(known.relevance_inside) & (~answered_right(known) | (answer_probability(known) >= sure))
        rows = np.flatnonzero(counted)
        order = rows[np.argsort(known.relevance_inside[rows], kind="stable")]
        queues.append([known.cases[row] for row in order])
    turns = (queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue))
    return tuple(case for case in dict.fromkeys(turns) if case not in without)[:number]


def explained_class(predictions: Predictions) -> NDArray[np.int64]:
    """Return the class that each answer is about, `(N,)`: the one explained, else the likeliest."""
    return np.where(predictions.explained >= 0, predictions.explained, predictions.probabilities.argmax(axis=1))


def answered_right(predictions: Predictions) -> NDArray[np.bool_]:
    """Tell which answers are right, `(N,)`; of several labels the one explained counts, right where it is not known."""
    if predictions.task != "multilabel":
        return np.asarray(predictions.predicted == predictions.labels)
    rows, of = np.arange(len(predictions)), explained_class(predictions)
    truth = known_labels(predictions)[rows, of]
    return np.asarray(np.isnan(truth) | (predictions.predicted[rows, of] == truth))


def answer_probability(predictions: Predictions) -> NDArray[np.float64]:
    """Return the probability of each answer, `(N,)`; of several labels that of yes or no to the one explained."""
    rows = np.arange(len(predictions))
    if predictions.task != "multilabel":
        return np.asarray(predictions.probabilities[rows, predictions.predicted])
    of = explained_class(predictions)
    yes = predictions.probabilities[rows, of]
    return np.where(predictions.predicted[rows, of] == 1, yes, 1 - yes)
