"""A simulated reader's gaze: a survey of the film, then dwelling on what was found. No person has looked.

The reader surveys the six zones of the lungs, the heart, the apices and the costophrenic angles, each with one fixation
or two; then dwells on each finding with a run of longer fixations, with now and then a glance at the same place of the
other lung; returns to some findings; and ends with a short second survey. Durations are log-normal. Each finding is
missed with a chance of `miss_rate` of its own: then nothing draws the gaze to it, and it gets what the survey happens
to leave on it.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sightline.data.phantoms.anatomy import Bools
from sightline.data.phantoms.radiographs.canvas import Finding
from sightline.data.phantoms.radiographs.radiograph import Radiograph

MISS_RATE = 0.1
_SURVEY_S, _DWELL_S, _SPREAD = 0.22, 0.42, 0.4  # medians of the durations, and the deviation of their logarithm
_SACCADE_S = (0.025, 0.06)  # between two fixations
_SCATTER = 0.011  # of the fixations about what is looked at, a share of the side: tracker and fovea
_RETURN, _COMPARE = 0.35, 0.25  # chances of coming back to a finding, and of glancing at the other lung
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Gaze:
    """Where a simulated reader looked.

    Attributes:
        fixations: x, y, start, duration of each, `(F, 4)`: pixels from the film's upper left corner, so that a
            fixation lies in the pixel of its whole parts, and seconds from the first one on.
        missed: the findings that were not seen.
    """

    fixations: Points
    missed: tuple[Finding, ...]

    def table(self) -> str:
        """The fixations as comma-separated values under the header `x,y,start,duration`."""
        text = io.StringIO()
        text.write("x,y,start,duration\n")
        np.savetxt(text, self.fixations, fmt=("%.2f", "%.2f", "%.3f", "%.3f"), delimiter=",")
        return text.getvalue()


def simulate_gaze(radiograph: Radiograph, rng: np.random.Generator, *, miss_rate: float = MISS_RATE) -> Gaze:
    """Simulate a reader.

    Args:
        radiograph: what is read.
        rng: generator that is advanced.
        miss_rate: chance that a finding is not seen.
    """
    missed = tuple(finding for finding in radiograph.lesions if rng.random() < miss_rate)
    points, medians = [_survey(radiograph, rng)], [_SURVEY_S]
    found = [lesion.mask for finding, lesion in radiograph.lesions.items() if finding not in missed]
    found = [found[index] for index in rng.permutation(len(found))]
    again = [mask for mask in found if rng.random() < _RETURN]
    for count, mask in [(rng.integers(5, 10), mask) for mask in found] + [(rng.integers(2, 5), mask) for mask in again]:
        points.append(_dwell(mask, rng, int(count)))
        medians.append(_DWELL_S)
        if rng.random() < _COMPARE:
            points.append(_inside(mask[:, ::-1], rng, 1))
            medians.append(_SURVEY_S)
    glances = _survey(radiograph, rng)
    points.append(glances[rng.permutation(len(glances))[:4]])
    medians.append(_SURVEY_S)
    places = np.concatenate(points)
    median = np.repeat(medians, [len(part) for part in points])
    side = radiograph.film.shape[0]
    places = np.clip(places + rng.normal(0, _SCATTER * side, places.shape), 0, side - 0.01)
    durations = np.clip(median * np.exp(rng.normal(0, _SPREAD, len(median))), 0.08, 2.5)
    gaps = rng.uniform(*_SACCADE_S, len(median))
    starts = np.concatenate([[0], np.cumsum(durations + gaps)[:-1]])
    return Gaze(np.column_stack([places, starts, durations]), missed)


def _survey(radiograph: Radiograph, rng: np.random.Generator) -> Points:
    """Down one lung and up the other, then the heart, the apices and the angles, about `(16, 2)`."""
    lungs = radiograph.lungs
    rows, columns = np.nonzero(lungs)
    middle, top, bottom = np.median(columns), rows.min(), rows.max() + 1
    thirds = np.clip(3 * (rows - top) / (bottom - top), 0, 2).astype(int)
    left = columns > middle
    first = 0 if rng.random() < 0.7 else 1
    order = [(first, third) for third in (0, 1, 2)] + [(1 - first, third) for third in (2, 1, 0)]
    stops = []
    for half, third in order:
        here = np.flatnonzero((left == half) & (thirds == third))
        stops += [here[rng.integers(len(here))] for _ in range(1 + int(rng.random() < 0.5))] if len(here) else []
    tour = [np.column_stack([columns[stops], rows[stops]]) + 0.5, _inside(radiograph.heart, rng, 2)]
    for half in (0, 1):
        here = np.flatnonzero(left == half)
        ends = [here[np.argmin(rows[here])], here[np.argmax(rows[here])]]  # apex and costophrenic angle
        tour.append(np.column_stack([columns[ends], rows[ends] + (4, -4)]) + 0.5)
    return np.concatenate(tour)


def _dwell(mask: Bools, rng: np.random.Generator, count: int) -> Points:
    """Fixations on the pieces of a finding in turn."""
    pieces, amount = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(pieces.ravel())[1:]
    seen = [piece for piece in range(amount) if sizes[piece] > 0.05 * sizes.max()]
    shares = np.bincount(np.arange(count) % len(seen), minlength=len(seen))
    parts = [_inside(pieces == piece + 1, rng, int(share)) for piece, share in zip(seen, shares, strict=True) if share]
    return np.concatenate(parts)


def _inside(mask: Bools, rng: np.random.Generator, count: int) -> Points:
    """Points of a region, each the deepest inside of three drawn."""
    rows, columns = np.nonzero(mask)
    drawn = rng.integers(len(rows), size=(count, 3))
    low, high = (rows.min(), columns.min()), (rows.max() + 1, columns.max() + 1)
    window = np.pad(mask[low[0] : high[0], low[1] : high[1]], 1)
    depth = ndimage.distance_transform_cdt(window)[rows[drawn] - low[0] + 1, columns[drawn] - low[1] + 1]
    best = drawn[np.arange(count), depth.argmax(axis=1)]
    return np.column_stack([columns[best], rows[best]]) + 0.5
