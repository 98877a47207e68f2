"""A number and how far it can be trusted: the record, and the intervals that need no resampling."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sightline.errors import DataError, SettingsError


@dataclass(frozen=True)
class Interval:
    """A number with its interval and all that is needed to judge it.

    Attributes:
        value: the number itself; NaN where undefined.
        low: lower limit; NaN where the data do not say.
        high: upper limit; NaN where the data do not say.
        n: cases that it rests on.
        method: how the limits were found, in words.
        level: nominal coverage.
        n_patients: patients whom the cases belong to; None where they were not told apart.
        resamples: resamples or draws that gave a number; None where nothing was drawn.
        seed: seed of the draw; None where nothing was drawn.
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    level: float = 0.95
    n_patients: int | None = None
    resamples: int | None = None
    seed: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Interval":
        """Read back what `as_dict` gave, also after JSON has turned NaN into null."""
        numbers = {name: float("nan") if fields[name] is None else fields[name] for name in ("value", "low", "high")}
        return cls(**{**fields, **numbers})


def wilson_interval(successes: float, n: int, *, level: float = 0.95) -> Interval:
    r"""Give a share its score interval, which stays within [0, 1] and has a width at 0 and at 1.

    $$\frac{p + z^2/2n \pm z \sqrt{p(1-p)/n + z^2/4n^2}}{1 + z^2/n}$$

    It takes the n trials as independent: with several images a patient use `bootstrap`, or count patients.

    Args:
        successes: trials that succeeded, 0 to n.
        n: trials.
        level: nominal coverage, between 0 and 1.

    Returns:
        The share as `value` (some tables print the centre of the interval instead) and its limits; NaN when n is 0.

    Raises:
        DataError: successes lie outside 0 to n.
        SettingsError: the level lies outside (0, 1).

    Reference:
        Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    check_level(level)
    if not 0 <= successes <= n:
        raise DataError(f"successes must lie in 0 to n, got {successes} of {n}")
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0, "Wilson score", level)
    z = NormalDist().inv_cdf((1 + level) / 2)
    p = successes / n
    shrink = 1 + z**2 / n
    centre = (p + z**2 / (2 * n)) / shrink
    half = z / shrink * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    low, high = min(p, max(0.0, centre - half)), max(p, min(1.0, centre + half))  # rounding must not shut p out
    return Interval(p, low, high, n, "Wilson score", level)


def f1_interval(precision: Interval, recall: Interval) -> Interval:
    """Give F1 the limits that follow from those of precision and recall, both low and both high.

    Wider than it need be, since the two are seldom wrong in the same direction by as much.

    Args:
        precision: with its interval.
        recall: of the same class, with its interval.

    Returns:
        F1 as `value`; NaN where either is. A precision and a recall of 0 have an F1 of 0.

    Reference:
        Bassi et al. 2024, doi:10.1038/s41467-023-44371-z, tables 3 and 4 (not said there; it gives their numbers).
    """
    value, low, high = (
        2 * p * r / (p + r) if p + r else 0.0
        for p, r in zip(*((each.value, each.low, each.high) for each in (precision, recall)), strict=True)
    )
    method = f"F1 of limits of precision and recall ({precision.method})"
    return Interval(value, low, high, min(precision.n, recall.n), method, precision.level, precision.n_patients)


def mean_halfwidth(intervals: Sequence[Interval]) -> Interval:
    """Average numbers, plus or minus the mean of their half-widths: a "macro" interval as papers print it.

    It is right where all err in the same direction at once, and wide otherwise; `bootstrap` the mean instead.

    Args:
        intervals: of classes or labels, of one level; those whose value or limits are NaN are left out.

    Returns:
        `value` is the mean of the values, and the limits lie around the mean of the centres; NaN where nothing is left.

    Raises:
        SettingsError: the levels differ.

    Reference:
        Bassi et al. 2024, doi:10.1038/s41467-023-44371-z, tables 3 to 5 (not said there; it gives their numbers).
    """
    if len({interval.level for interval in intervals}) > 1:
        raise SettingsError("intervals must have one level to be averaged; give all of them the same")
    known = [each for each in intervals if not np.isnan([each.value, each.low, each.high]).any()]
    level = intervals[0].level if intervals else 0.95
    nan, method = float("nan"), "mean of half-widths"
    if not known:
        return Interval(nan, nan, nan, 0, method, level)
    value, low, high = (float(np.mean([getattr(each, name) for each in known])) for name in ("value", "low", "high"))
    return Interval(value, low, high, max(each.n for each in known), method, level)


def highest_density_interval(draws: ArrayLike, *, level: float = 0.95) -> tuple[float, float]:
    """Find the shortest interval that holds a share `level` of the draws.

    Args:
        draws: `(D,)`; NaN are left out.
        level: share to hold, between 0 and 1.

    Returns:
        Lower and upper limit; NaN twice without a draw.

    Raises:
        SettingsError: the level lies outside (0, 1).
    """
    check_level(level)
    values = np.asarray(draws, np.float64)
    ordered = np.sort(values[~np.isnan(values)])
    if not ordered.size:
        return float("nan"), float("nan")
    held = min(int(np.ceil(level * ordered.size)), ordered.size)
    widths = ordered[held - 1 :] - ordered[: ordered.size - held + 1]
    first = int(widths.argmin())
    return float(ordered[first]), float(ordered[first + held - 1])


def check_level(level: float) -> None:
    """Refuse a level that is no probability.

    Raises:
        SettingsError: the level lies outside (0, 1).
    """
    if not 0 < level < 1:
        raise SettingsError(f"level must lie between 0 and 1, got {level}; 0.95 is usual")
