"""Scores of several recipes over the same resampled patients, so that any two can be compared pair by pair.

A recipe may have been trained with several seeds: its score is then the mean over its runs, resample by resample. The
interval says what other patients would have changed for these very runs; what other seeds would have changed is the
spread of the runs beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightline.evaluation import Evaluation, Predictions
from sightline.evaluation.predictions import pair
from sightline.evaluation.scores import MEAN_AREAS, statistic, with_area_limits
from sightline.metrics.averages import Array
from sightline.metrics.intervals import Interval
from sightline.metrics.resampling import Resampling, bootstrap

Draws = NDArray[np.float64]
_PAIRED = "paired percentile bootstrap of patients"


@dataclass(frozen=True, eq=False)
class Score:
    """One score of a recipe under a condition.

    Attributes:
        interval: mean over its runs, with the interval over patients.
        runs: the score of each run.
        draws: the mean over its runs in each resample, `(B,)`; NaN where undefined.
        seed: of the resamples.
    """

    interval: Interval
    runs: tuple[float, ...]
    draws: Draws
    seed: int | None = None

    @property
    def spread(self) -> float:
        """Standard deviation over the runs; NaN for a single one."""
        return float(np.std(self.runs, ddof=1)) if len(self.runs) > 1 else float("nan")


def draw_scores(
    recipes: Mapping[str, Sequence[Evaluation]], *, resampling: Resampling | None = None
) -> dict[str, dict[str, Score]]:
    """Score recipes that were tested on the same cases.

    Args:
        recipes: by name, the evaluations of their runs.
        resampling: how often, from which seed, which level; all recipes see the same resamples.

    Returns:
        By recipe and score, every score that all runs have.

    Raises:
        DataError: the evaluations are of different tasks, share no case, or disagree on the patient or label of one.
    """
    first = next(iter(recipes.values()))[0].predictions
    return {
        name: _drawn([_aligned(first, run.predictions) for run in runs], resampling) for name, runs in recipes.items()
    }


def difference(first: Score, second: Score) -> tuple[Interval, float]:
    r"""Subtract the scores of two recipes over the same resamples.

    $$p = \min\left(1,\ 2\, \frac{1 + \min(\#\{d \le 0\}, \#\{d \ge 0\})}{1 + B}\right)$$ for B differences $d$.

    Returns:
        `second - first` with its interval, and the two-sided p-value; NaN where undefined.

    Reference:
        Efron & Tibshirani 1993, ch. 15 and 16; see `sightline.metrics.paired_bootstrap_test`.
    """
    base = second.interval
    drawn = second.draws - first.draws
    known = drawn[~np.isnan(drawn)]
    value = base.value - first.interval.value
    if not known.size or value != value:
        nothing = Interval(value, float("nan"), float("nan"), base.n, _PAIRED, base.level)
        return nothing, float("nan")
    low, high = np.quantile(known, [(1 - base.level) / 2, (1 + base.level) / 2])
    p = min(1.0, 2 * (1 + min((known <= 0).sum(), (known >= 0).sum())) / (1 + known.size))
    found = Interval(
        value,
        float(low),
        float(high),
        base.n,
        _PAIRED,
        base.level,
        base.n_patients,
        int(known.size),
        second.seed,
    )
    return found, float(p)


def _aligned(first: Predictions, other: Predictions) -> Predictions:
    return first if other is first else pair(first, other)[1]


def _drawn(runs: Sequence[Predictions], resampling: Resampling | None) -> dict[str, Score]:
    statistics = [statistic(run) for run in runs]
    single: list[dict[str, Array]] = []
    blocks: list[dict[str, Array]] = []

    def mean(weights: Array) -> dict[str, Array]:
        each = [{name: values for (name, of), values in score(weights).items() if of is None} for score in statistics]
        shared = [name for name in each[0] if all(name in one for one in each)]
        stacked = {name: np.stack([one[name] for one in each]) for name in shared}
        single.append(stacked)
        blocks.append({name: values.mean(axis=0) for name, values in stacked.items()})
        return blocks[-1]

    drawn = resampling or Resampling()
    named = bootstrap(mean, runs[0].patients, resampling=drawn, skewed=[name for name, _ in MEAN_AREAS])
    limited = with_area_limits({(name, None): interval for name, interval in named.items()}, runs)
    return {
        name: Score(
            interval,
            tuple(single[0][name][:, 0].tolist()),
            # the first call is the data themselves, and the last ones leave patients out
            np.concatenate([block[name] for block in blocks])[1 : 1 + drawn.resamples],
            drawn.seed,
        )
        for (name, _), interval in limited.items()
    }
