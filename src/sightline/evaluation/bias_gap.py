"""How much a score moves from one evaluation to another of the same cases, with the interval of the difference."""

from dataclasses import replace

import numpy as np

from sightline.evaluation.predictions import Predictions, pair
from sightline.evaluation.record import Evaluation
from sightline.evaluation.scores import Key, statistic
from sightline.metrics.averages import Array
from sightline.metrics.intervals import Interval
from sightline.metrics.resampling import Resampling, bootstrap


def bias_gap(on: Evaluation, off: Evaluation, *, resampling: Resampling | None = None) -> dict[str, Interval]:
    """Measure what a model owes to a known bias: its scores with the bias minus those of the same cases without.

    Args:
        on: evaluation with the bias in the images.
        off: evaluation without it, or with a wrong class's.
        resampling: how often, from which seed, which level.

    Returns:
        See `paired_change`; here a fall of the score when the bias goes is positive.

    Raises:
        DataError: the evaluations cannot be paired.
    """
    return paired_change(off, on, resampling=resampling)


def paired_change(
    before: Evaluation, after: Evaluation, *, resampling: Resampling | None = None
) -> dict[str, Interval]:
    """Subtract the scores of two evaluations of the same cases, resampling the same patients in both.

    The two may differ in the images (a bias removed) or in the model (plain and guided).

    Args:
        before: what is subtracted.
        after: what it is subtracted from.
        resampling: how often, from which seed, which level.

    Returns:
        `after - before` by name, for every score that both have in `Evaluation.metrics`, over the cases that both have
        (`Interval.n` says how many); explanations count where both were measured.

    Raises:
        DataError: the evaluations are of different tasks, share no case, or disagree on the patient or label of one.
    """
    first, second = pair(before.predictions, after.predictions)
    first, second = _measured_in_both(first, second)
    score_first, score_second = statistic(first), statistic(second)

    def change(weights: Array) -> dict[Key, Array]:
        old, new = score_first(weights), score_second(weights)
        return {key: new[key] - old[key] for key in new if key in old and key[1] is None}

    intervals = {}
    for (name, _), interval in bootstrap(change, first.patients, resampling=resampling).items():
        kept = interval
        if name in ("relevance_inside", "region_area"):
            counted = ~np.isnan(getattr(first, name))
            patients = {who for who, counts in zip(first.patients, counted, strict=True) if counts}
            kept = replace(interval, n=int(counted.sum()), n_patients=len(patients))
        intervals[name] = replace(kept, method=f"paired {kept.method}")
    return intervals


def _measured_in_both(first: Predictions, second: Predictions) -> tuple[Predictions, Predictions]:
    both = ~np.isnan(first.relevance_inside) & ~np.isnan(second.relevance_inside)
    return tuple(  # type: ignore[return-value]  # two in, two out
        replace(
            one,
            relevance_inside=np.where(both, one.relevance_inside, np.nan),
            region_area=np.where(both, one.region_area, np.nan),
        )
        for one in (first, second)
    )
