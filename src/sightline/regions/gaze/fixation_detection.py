"""From samples to fixations, by how far the eyes spread (I-DT) or how fast they move (I-VT).

Both leave out samples that are not valid and end a fixation where the time between two samples exceeds `max_gap_s`, as
in a blink. A fixation lies at the mean of its samples and lasts from the first to one step after the last, so each
sample stands for the time up to the next one.

Thresholds are in degrees of visual angle, for samples that know `pixels_per_degree`, or in pixels of the image.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError, SettingsError
from sightline.regions.gaze.scanpath import Fixations, Samples

Unit = Literal["degrees", "pixels"]
_TICK = 1e-9  # times are told in fewer digits, seconds


@dataclass(frozen=True)
class DispersionThreshold:
    r"""I-DT: a fixation is a longest run of samples that spreads no further than a threshold.

    The spread of a run is $(\max x - \min x) + (\max y - \min y)$. A window as long as the shortest fixation slides
    from sample to sample until it spreads no further than the threshold, then grows while that holds.

    Args:
        dispersion: largest spread, `unit`.
        min_duration_s: shortest fixation, seconds.
        max_gap_s: longest time without a sample within a fixation, seconds.
        unit: `degrees` or `pixels`.

    Reference:
        Salvucci and Goldberg 2000, doi:10.1145/355017.355028, I-DT; 0.5 to 1 degree and 0.1 to 0.2 s are usual.
    """

    dispersion: float = 1.0
    min_duration_s: float = 0.1
    max_gap_s: float = 0.075
    unit: Unit = "degrees"

    def __post_init__(self) -> None:
        _check("dispersion", self.dispersion, self.min_duration_s, self.max_gap_s)

    def __call__(self, samples: Samples) -> Fixations:
        """Find the fixations.

        Raises:
            DataError: the samples are further apart than `max_gap_s`, or the threshold is in degrees and they do not
                know `pixels_per_degree`.
        """
        kept, runs = _runs(samples, self.max_gap_s)
        places = _places(samples, kept, self.unit)
        times = samples.time[kept]
        found = []
        for first, stop in runs:
            spans = _still(times[first:stop].tolist(), places[first:stop].tolist(), self, samples.step)
            found += [(first + begin, first + end) for begin, end in spans]
        return _collect(samples, kept, found)


@dataclass(frozen=True)
class VelocityThreshold:
    """I-VT: a fixation is a run of samples from one to the next of which the eyes move slower than a threshold.

    At 60 samples a second noise of half a degree looks like 30 degrees a second; `DispersionThreshold` suits slow
    trackers better.

    Args:
        velocity: highest velocity, `unit` a second.
        min_duration_s: shortest fixation, seconds; the paper has no such limit, 0 is without.
        max_gap_s: longest time without a sample within a fixation, seconds.
        unit: `degrees` or `pixels`.

    Reference:
        Salvucci and Goldberg 2000, doi:10.1145/355017.355028, I-VT. There a sample is slow or fast; here the step
        between two samples is, so that the last sample before a jump belongs to its fixation. A sample between two fast
        steps belongs to none.
    """

    velocity: float = 30.0
    min_duration_s: float = 0.1
    max_gap_s: float = 0.075
    unit: Unit = "degrees"

    def __post_init__(self) -> None:
        _check("velocity", self.velocity, self.min_duration_s, self.max_gap_s)

    def __call__(self, samples: Samples) -> Fixations:
        """Find the fixations.

        Raises:
            DataError: as of `DispersionThreshold`.
        """
        kept, runs = _runs(samples, self.max_gap_s)
        places = _places(samples, kept, self.unit)
        times = samples.time[kept]
        found = []
        for first, stop in runs:
            steps, seconds = np.diff(places[first:stop], axis=0), np.diff(times[first:stop])
            fast = np.hypot(steps[:, 0], steps[:, 1]) > self.velocity * seconds  # also where two share a time
            bounds = [first, *(first + 1 + np.flatnonzero(fast)).tolist(), stop]
            for begin, end in pairwise(bounds):
                if end - begin > 1 and times[end - 1] - times[begin] + samples.step >= self.min_duration_s - _TICK:
                    found.append((begin, end))
        return _collect(samples, kept, found)


Detector = DispersionThreshold | VelocityThreshold


def _still(
    times: Sequence[float], places: Sequence[Sequence[float]], settings: DispersionThreshold, step: float
) -> Iterator[tuple[int, int]]:
    """Yield the first sample of each fixation of a run without gaps, and the one after its last."""
    begin, count = 0, len(times)
    end = 0  # after the last of the window
    while begin < count:
        end = max(end, begin + 1)
        while end < count and times[end - 1] - times[begin] + step < settings.min_duration_s - _TICK:
            end += 1
        if times[end - 1] - times[begin] + step < settings.min_duration_s - _TICK:
            return
        xs, ys = zip(*places[begin:end], strict=True)
        left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
        if right - left + bottom - top > settings.dispersion:
            begin += 1
            continue
        while end < count:
            x, y = places[end]
            left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
            if right - left + bottom - top > settings.dispersion:
                break
            end += 1
        yield begin, end
        begin = end


def _runs(samples: Samples, max_gap_s: float) -> tuple[NDArray[np.intp], list[tuple[int, int]]]:
    """Return the indices of the valid samples, and the first and the stop of each run of them without a gap."""
    if samples.step > max_gap_s:
        raise DataError(f"samples are {samples.step:g} s apart, more than max_gap_s of {max_gap_s:g}; raise it")
    kept = np.flatnonzero(samples.valid)
    gaps = np.flatnonzero(np.diff(samples.time[kept]) > max_gap_s + _TICK) + 1
    bounds = [0, *gaps.tolist(), len(kept)]
    return kept, list(pairwise(bounds))


def _places(samples: Samples, kept: NDArray[np.intp], unit: Unit) -> NDArray[np.floating]:
    """Return x and y of the valid samples in the unit of the threshold, `(N, 2)`."""
    places = np.stack((samples.x[kept], samples.y[kept]), axis=1)
    if unit == "pixels":
        return places
    if samples.pixels_per_degree is None:
        raise DataError("a threshold in degrees needs samples with pixels_per_degree; give it, or say unit='pixels'")
    in_degrees: NDArray[np.floating] = places / samples.pixels_per_degree[kept]
    return in_degrees


def _collect(samples: Samples, kept: NDArray[np.intp], found: Sequence[tuple[int, int]]) -> Fixations:
    """Make fixations of the valid samples from each first to each stop."""
    groups = [kept[begin:end] for begin, end in found]
    means = [(samples.x[group].mean(), samples.y[group].mean()) for group in groups]
    x, y = np.asarray(means, float).reshape(-1, 2).T
    start = np.asarray([samples.time[group[0]] for group in groups], float)
    end = np.asarray([samples.time[group[-1]] for group in groups], float)
    per_degree = samples.pixels_per_degree
    if per_degree is not None:
        per_degree = np.asarray([per_degree[group].mean(axis=0) for group in groups], float).reshape(-1, 2)
    return Fixations(x, y, start, end - start + samples.step, samples.size, per_degree)


def _check(name: str, threshold: float, min_duration_s: float, max_gap_s: float) -> None:
    if not threshold > 0:
        raise SettingsError(f"{name} must be positive, got {threshold}")
    if not min_duration_s >= 0 or not max_gap_s > 0:
        raise SettingsError(f"min_duration_s must be 0 or more and max_gap_s more, got {min_duration_s}, {max_gap_s}")
