"""Intervals by drawing patients again: what another sample of as many patients could have given.

Images of one patient resemble each other, so patients are drawn with replacement and bring all their images. A
resample is never built: it is a row of weights saying how often each image counts, and a score takes many rows at once.

Four things to know when reading the limits:

- A score that is undefined in a resample (the area of a class that nobody drawn has) leaves that resample out;
  `Interval.resamples` says how many counted. Means over classes are taken over the classes that the resample has.
- From one patient nothing can be said about others: the limits are NaN.
- Percentiles are what is drawn; BCa limits take from the same resamples other quantiles, moved by how far the score
  lies from their middle (bias) and how its spread changes with it (acceleration, from leaving out one patient at a
  time). They are closer to nominal where a score is skewed, as near 0 and 1, and cost as many more evaluations as there
  are patients, 2000 at most.
- A score at its limit (no patient is wrong) has a width of zero, because no resample contains an error. It does not
  mean certainty; `wilson_interval` of the patients shows how many errors can hide.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sightline.errors import DataError, SettingsError
from sightline.metrics.averages import Array
from sightline.metrics.intervals import Interval, check_level

Limits = Literal["percentile", "bca"]

_METHODS: dict[Limits, str] = {"percentile": "percentile bootstrap of patients", "bca": "BCa bootstrap of patients"}
_BLOCK = 2**21  # weights in memory at once: 16 MiB, and as much again in what a score makes of them
_MOST_LEFT_OUT = 2000  # evaluations for the acceleration of BCa limits

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Resampling:
    """How often and from which seed patients are drawn.

    Attributes:
        resamples: how often as many patients as there are get drawn.
        seed: seed of the draw; the same seed draws the same patients for every score.
        level: nominal coverage of the interval, between 0 and 1.
        limits: quantiles of the resamples as they are (`percentile`), or corrected for bias and skewness (`bca`).
    """

    resamples: int = 2000
    seed: int = 0
    level: float = 0.95
    limits: Limits = "percentile"

    def __post_init__(self) -> None:
        check_level(self.level)
        if self.resamples < 1:
            raise SettingsError(f"resamples must be at least 1, got {self.resamples}; 2000 is usual")
        if self.limits not in _METHODS:
            raise SettingsError(f"limits must be one of {', '.join(_METHODS)}, got {self.limits!r}")


def bootstrap(
    statistic: Callable[[Array], Mapping[Name, Array]],
    patients: Sequence[str],
    *,
    resampling: Resampling | None = None,
    skewed: Collection[Name] = (),
) -> dict[Name, Interval]:
    """Give each score its interval over resampled patients.

    Args:
        statistic: scores by name, `(B,)` each, for B rows of weights, `(B, N)`. All scores see the same resamples, so
            the difference of two is a paired one.
        patients: patient of each image, `N` names.
        resampling: how often, from which seed, which level.
        skewed: names of scores that take BCa limits whatever the resampling says.

    Returns:
        By name the score of the images as they are, with its interval; `n` counts all images.

    Raises:
        DataError: there is no image.

    Reference:
        Field & Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x (cluster bootstrap); Efron & Tibshirani 1993, ch. 13,
        and for BCa Efron 1987, doi:10.1080/01621459.1987.10478410.
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
    moved = set(values) if drawn.limits == "bca" else set(skewed) & set(values)
    accelerations = _accelerations(statistic, owner, rows, moved) if moved else {}
    intervals = {}
    for name, value in values.items():
        samples = np.concatenate(blocks[name])
        known = samples[~np.isnan(samples)]
        low = high = float("nan")
        if len(names) > 1 and known.size:
            low, high = _limits(known, value, drawn.level, accelerations.get(name))
        method = _METHODS["bca" if name in moved else "percentile"]
        intervals[name] = Interval(
            value, low, high, len(owner), method, drawn.level, len(names), int(known.size), drawn.seed
        )
    return intervals


def draw_patients(n_patients: int, resamples: int, generator: np.random.Generator) -> Array:
    """Count how often each patient is drawn when as many are drawn with replacement, `(resamples, n_patients)`."""
    picked = generator.integers(0, n_patients, size=(resamples, n_patients))
    cells = (picked + np.arange(resamples)[:, None] * n_patients).ravel()
    return np.bincount(cells, minlength=picked.size).reshape(picked.shape).astype(np.float64)


def _limits(samples: Array, value: float, level: float, acceleration: float | None) -> tuple[float, float]:
    """Quantiles of the resamples: percentiles, or with an acceleration those of BCa.

    BCa has none where the score is undefined, or all resamples lie on one side of it.
    """
    ranks = np.array([(1 - level) / 2, (1 + level) / 2])
    if acceleration is not None:
        below = ((samples < value).mean() + (samples <= value).mean()) / 2
        if np.isnan(value) or below in (0, 1):
            return float("nan"), float("nan")
        bias = ndtri(below)
        moved = bias + ndtri(ranks)
        ranks = ndtr(bias + moved / (1 - acceleration * moved))
    low, high = np.quantile(samples, ranks)
    return float(low), float(high)


def _accelerations(
    statistic: Callable[[Array], Mapping[Name, Array]], owner: NDArray[np.int64], rows: int, wanted: Collection[Name]
) -> dict[Name, float]:
    """Skewness of each score over leaving out one patient at a time, over 6; 0 where it does not change.

    Of many patients several go at a time: sums of squares and cubes over the groups estimate those over the patients.
    """
    count = min(int(owner.max()) + 1, _MOST_LEFT_OUT)
    group = owner % count
    blocks: dict[Name, list[Array]] = {}
    for start in range(0, count, rows):
        left_out = np.arange(start, min(start + rows, count))
        scores = statistic((group != left_out[:, None]).astype(np.float64))
        for name in wanted:
            blocks.setdefault(name, []).append(scores[name])
    found = {}
    for name, parts in blocks.items():
        kept = np.concatenate(parts)
        kept = kept[~np.isnan(kept)]
        apart = kept.mean() - kept if kept.size else kept
        spread = (apart**2).sum() ** 1.5
        found[name] = float((apart**3).sum() / (6 * spread)) if spread > 0 else 0.0
    return found
