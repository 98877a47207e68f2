r"""Intervals and tests of areas under the ROC curve without resampling, by DeLong's variance.

Each positive image has the share of negative ones that it beats, $V_{10}$, each negative one the share of positive ones
that beat it, $V_{01}$; ties count half. The area $A$ is the mean of either, and its variance is

$$\frac{\mathrm{var}(V_{10})}{m} + \frac{\mathrm{var}(V_{01})}{n}$$

for m positive and n negative images. Where patients have several images, sums over patients take the place of images
(Obuchowski); of one image a patient that is the same.

An area of 0 or 1, or one with fewer than two patients on a side, has no such variance. Its limits are those of
Newcombe's score interval, which needs none; `Interval.method` says so.

Reference:
    DeLong, DeLong & Clarke-Pearson 1988, doi:10.2307/2531595; Obuchowski 1997, doi:10.2307/2533958; Newcombe 2006,
    doi:10.1002/sim.2324 (method 5); the logit as in Pepe 2003, section 5.2.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isnan, log, sqrt
from statistics import NormalDist
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.averages import Array
from sightline.metrics.intervals import Interval, check_level
from sightline.metrics.paired import DifferenceTest

Scale = Literal["area", "logit"]


def delong_interval(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    patients: Sequence[str] | None = None,
    scale: Scale = "logit",
    level: float = 0.95,
) -> Interval:
    r"""Give an area under the ROC curve its interval.

    Args:
        labels: 1 for positive, 0 for negative, NaN for unknown (left out), `(N,)`.
        scores: higher means more likely positive, `(N,)`.
        patients: patient of each image, `N` names; None takes the images as independent.
        scale: `area` gives $A \pm z s$, cut off at 0 and 1, as the papers print it; `logit` gives the limits of
            $\ln(A / (1 - A))$, brought back, which stay within and cover better the nearer the area is to 1.
        level: nominal coverage, between 0 and 1.

    Returns:
        The area with its limits; NaN without a positive or without a negative image.

    Raises:
        ShapeError: labels, scores and patients do not fit.
        DataError: a label is neither 0, 1 nor NaN, or a score is NaN or infinite.
        SettingsError: the level lies outside (0, 1), or there is no such scale.
    """
    check_level(level)
    if scale not in get_args(Scale):
        raise SettingsError(f"scale must be one of {', '.join(get_args(Scale))}, got {scale!r}")
    sides = _Sides.of(labels, patients)
    n, n_patients = sides.n, sides.n_patients
    if not sides.positive.size or not sides.negative.size:
        return Interval(float("nan"), float("nan"), float("nan"), n, "DeLong", level, n_patients)
    area, placed = sides.placements(scores)
    variance = sides.covariance([placed])[0, 0]
    if isnan(variance) or not variance > 0 or not 0 < area < 1:
        low, high = _score_limits(area, *sides.patients_on_sides, level)
        return Interval(area, low, high, n, "Newcombe score", level, n_patients)
    half = NormalDist().inv_cdf((1 + level) / 2) * sqrt(variance)
    if scale == "area":
        low, high = max(0.0, area - half), min(1.0, area + half)
    else:
        middle, half = log(area / (1 - area)), half / (area * (1 - area))
        low, high = (1 / (1 + exp(-end)) for end in (middle - half, middle + half))
    return Interval(area, low, high, n, f"DeLong, {scale}", level, n_patients)


def delong_test(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    patients: Sequence[str] | None = None,
    level: float = 0.95,
) -> DifferenceTest:
    r"""Test whether two scores of the same images differ in area: $z = (A_1 - A_2) / s$.

    Args:
        labels: 1 for positive, 0 for negative, NaN for unknown (left out), `(N,)`.
        first: scores of one model, `(N,)`.
        second: of the other, for the same images.
        patients: patient of each image, `N` names; None takes the images as independent.
        level: of the interval of the difference.

    Returns:
        First less second. Undefined (NaN) where the difference has no variance: both put the images in the same order,
        both are perfect, or a side has fewer than two patients. `paired_bootstrap_test` answers no better there.

    Raises:
        ShapeError: labels, scores and patients do not fit.
        DataError: a label is neither 0, 1 nor NaN, or a score is NaN or infinite.
        SettingsError: the level lies outside (0, 1).
    """
    check_level(level)
    sides = _Sides.of(labels, patients)
    nan, method = float("nan"), "DeLong, paired"
    if not sides.positive.size or not sides.negative.size:
        return DifferenceTest(nan, nan, Interval(nan, nan, nan, sides.n, method, level, sides.n_patients))
    (one, placed), (other, placed_other) = sides.placements(first), sides.placements(second)
    covariance = sides.covariance([placed, placed_other])
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    difference = one - other
    if not variance > 1e-15:  # of rounding
        return DifferenceTest(nan, nan, Interval(difference, nan, nan, sides.n, method, level, sides.n_patients))
    error = sqrt(variance)
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    low, high = max(-1.0, difference - half), min(1.0, difference + half)
    interval = Interval(difference, low, high, sides.n, method, level, sides.n_patients)
    return DifferenceTest(difference / error, float(2 * stats.norm.sf(abs(difference) / error)), interval)


_Placed = tuple[Array, Array]
"""Shares of the other side that are beaten, less the area, of each positive and of each negative image."""


@dataclass(frozen=True, eq=False)
class _Sides:
    """Which images are positive and negative, and whom they belong to."""

    positive: NDArray[np.int64]
    negative: NDArray[np.int64]
    owner: NDArray[np.int64]
    n_patients: int | None
    size: int

    @classmethod
    def of(cls, labels: ArrayLike, patients: Sequence[str] | None) -> "_Sides":
        truth = np.asarray(labels, np.float64)
        if truth.ndim != 1 or (patients is not None and len(patients) != len(truth)):
            belonging = "" if patients is None else f" and patients as many, got {len(patients)}"
            raise ShapeError(f"labels must be (N,), got {truth.shape}{belonging}")
        known = ~np.isnan(truth)
        if not np.isin(truth[known], (0, 1)).all():
            raise DataError("labels must be 0, 1 or NaN; compare with one class at a time")
        names = np.arange(len(truth)) if patients is None else np.asarray(patients, np.str_)
        owner = np.unique(names, return_inverse=True)[1]
        people = None if patients is None else len(np.unique(owner[known]))
        return cls(np.flatnonzero(truth == 1), np.flatnonzero(truth == 0), owner, people, len(truth))

    @property
    def n(self) -> int:
        return len(self.positive) + len(self.negative)

    @property
    def patients_on_sides(self) -> tuple[int, int]:
        return len(np.unique(self.owner[self.positive])), len(np.unique(self.owner[self.negative]))

    def placements(self, scores: ArrayLike) -> tuple[float, _Placed]:
        values = np.asarray(scores, np.float64)
        if values.shape != (self.size,):
            raise ShapeError(f"scores must be ({self.size},) as the labels, got {values.shape}")
        up, down = values[self.positive], values[self.negative]
        if not (np.isfinite(up).all() and np.isfinite(down).all()):
            raise DataError("scores must be finite to be put in order; look at the answers of the model")
        ranks = stats.rankdata(np.r_[up, down])
        beats = (ranks[: len(up)] - stats.rankdata(up)) / len(down)
        beaten = 1 - (ranks[len(up) :] - stats.rankdata(down)) / len(up)
        area = float(beats.mean())
        return area, (beats - area, beaten - area)

    def covariance(self, placed: Sequence[_Placed]) -> Array:
        """Covariance of the areas of several scores of the images, `(M, M)`; NaN with one patient on a side."""
        count = int(self.owner.max()) + 1
        up, down = np.zeros((len(placed), count)), np.zeros((len(placed), count))
        for row, (positive, negative) in enumerate(placed):
            np.add.at(up[row], self.owner[self.positive], positive / len(self.positive))
            np.add.at(down[row], self.owner[self.negative], negative / len(self.negative))
        of_up, of_down = self.patients_on_sides
        if min(of_up, of_down) < 2:
            return np.full((len(placed), len(placed)), np.nan)
        people = len(np.unique(self.owner[np.r_[self.positive, self.negative]]))
        crossed = up @ down.T
        result: Array = (
            up @ up.T * (of_up / (of_up - 1))
            + down @ down.T * (of_down / (of_down - 1))
            + (crossed + crossed.T) * (people / (people - 1))
        )
        return result


def _score_limits(area: float, m: int, n: int, level: float) -> tuple[float, float]:
    """Areas whose own variance, as Hanley and McNeil model it, would not have made this one surprising."""
    z, others = NormalDist().inv_cdf((1 + level) / 2), (m + n) / 2 - 1

    def excess(true: float) -> float:
        spread = 1 + others * ((1 - true) / (2 - true) + true / (1 + true))
        return (true - area) ** 2 - z**2 * true * (1 - true) * spread / (m * n)

    low = 0.0 if area == 0 else float(optimize.brentq(excess, 0.0, area - 1e-9 if excess(area) >= 0 else area))
    high = 1.0 if area == 1 else float(optimize.brentq(excess, area + 1e-9 if excess(area) >= 0 else area, 1.0))
    return low, high
