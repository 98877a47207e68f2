"""Intervals by drawing patients again: what another sample of as many patients could have given.

Images of one patient resemble each other, so patients are drawn with replacement and bring all their images. A
resample is never built: it is a row of weights saying how often each image counts, and a score takes many rows at once.

Three things to know when reading the limits:

- A score that is undefined in a resample (the area of a class that nobody drawn has) leaves that resample out;
  `Interval.resamples` says how many counted. Means over classes are taken over the classes that the resample has.
- From one patient nothing can be said about others: the limits are NaN.
- A score at its limit (no patient is wrong) has a width of zero, because no resample contains an error. It does not
  mean certainty; `wilson_interval` of the patients shows how many errors can hide.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from sightline.errors import DataError, SettingsError
from sightline.metrics.averages import Array
from sightline.metrics.intervals import Interval, check_level

_METHOD = "percentile bootstrap of patients"
_BLOCK = 2**21  # weights in memory at once: 16 MiB, and as much again in what a score makes of them

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Resampling:
    """How often and from which seed patients are drawn.

    Attributes:
        resamples: how often as many patients as there are get drawn.
        seed: seed of the draw; the same seed draws the same patients for every score.
        level: nominal coverage of the interval, between 0 and 1.
    """

    resamples: int = 2000
    seed: int = 0
    level: float = 0.95

    def __post_init__(self) -> None:
        check_level(self.level)
        if self.resamples < 1:
            raise SettingsError(f"resamples must be at least 1, got {self.resamples}; 2000 is usual")


def bootstrap(
    statistic: Callable[[Array], Mapping[Name, Array]],
    patients: Sequence[str],
    *,
    resampling: Resampling | None = None,
) -> dict[Name, Interval]:
    """Give each score its percentile interval over resampled patients.

    Args:
        statistic: scores by name, `(B,)` each, for B rows of weights, `(B, N)`. All scores see the same resamples, so
            the difference of two is a paired one.
        patients: patient of each image, `N` names.
        resampling: how often, from which seed, which level.

    Returns:
        By name the score of the images as they are, with its interval; `n` counts all images.

    Raises:
        DataError: there is no image.

    Reference:
        Field & Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x (cluster bootstrap); Efron & Tibshirani 1993, ch. 13.
    """
    drawn = resampling or Resampling()
    if not len(patients):
        raise DataError("there is no case to resample; the split is empty")
    names, owner = np.unique(np.asarray(patients, dtype=np.str_), return_inverse=True)
    values = {name: float(score[0]) for name, score in statistic(np.ones((1, len(owner)))).items()}
    generator = np.random.default_rng(drawn.seed)
    rows = max(1, _BLOCK // len(owner))
    blocks: dict[Name, list[Array]] = {name: [] for name in values}
    for start in range(0, drawn.resamples, rows):
        times = draw_patients(len(names), min(rows, drawn.resamples - start), generator)
        for name, scores in statistic(times[:, owner]).items():
            blocks[name].append(scores)
    intervals = {}
    for name, value in values.items():
        low, high, counted = _percentiles(np.concatenate(blocks[name]), drawn.level)
        if len(names) == 1:
            low = high = float("nan")
        intervals[name] = Interval(value, low, high, len(owner), _METHOD, drawn.level, len(names), counted, drawn.seed)
    return intervals


def draw_patients(n_patients: int, resamples: int, generator: np.random.Generator) -> Array:
    """Count how often each patient is drawn when as many are drawn with replacement, `(resamples, n_patients)`."""
    picked = generator.integers(0, n_patients, size=(resamples, n_patients))
    cells = (picked + np.arange(resamples)[:, None] * n_patients).ravel()
    return np.bincount(cells, minlength=picked.size).reshape(picked.shape).astype(np.float64)


def _percentiles(samples: Array, level: float) -> tuple[float, float, int]:
    known = samples[~np.isnan(samples)]
    if not known.size:
        return float("nan"), float("nan"), 0
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), int(known.size)
