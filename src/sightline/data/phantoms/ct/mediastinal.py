"""Findings between the lungs: calcified coronary arteries and a hiatal hernia, each with its exact mask."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sightline.data.phantoms.anatomy import Bools
from sightline.data.phantoms.ct.grid import Canvas, Point, Single, ball, tube
from sightline.data.phantoms.ct.lesions import Change, CTFinding, Place
from sightline.data.phantoms.ct.organs import ORGANS
from sightline.data.phantoms.ct.thorax import Thorax, on_heart

MEDIASTINAL: tuple[CTFinding, ...] = ("coronary_calcification", "hiatal_hernia")
_FAINTEST = 0.08  # shares of a voxel below this are cut, so that the mask is what one sees
_PLAQUE_HU, _WALL_HU, _FLUID_HU, _GAS_HU = 1100.0, 40.0, 14.0, -960.0
_ARTERIES = (  # of the heart, as (along, turn) at both ends: left descending, circumflex, right
    ((-0.2, 3.7), (0.75, 3.9)),
    ((-0.15, 3.4), (-0.3, 1.7)),
    ((-0.35, 3.9), (-0.5, 5.3)),
)


@dataclass(frozen=True, eq=False)
class Mediastinum:
    """What lies between the lungs and findings are drawn into.

    Attributes:
        thorax: the patient.
        field: the voxels of the mediastinum, `(D, H, W)`.
    """

    thorax: Thorax
    field: Bools


def draw_mediastinal_finding(
    finding: CTFinding, canvas: Canvas, mediastinum: Mediastinum, rng: np.random.Generator, severity: float
) -> Change:
    """Draw a finding of the mediastinum.

    Args:
        finding: one of `MEDIASTINAL`.
        canvas: the scan, for its grid and labels.
        mediastinum: where.
        rng: generator that is advanced.
        severity: from 0 to 1.
    """
    draw = _hernia if finding == "hiatal_hernia" else _plaques
    return draw(canvas, mediastinum, rng, severity)


def _plaques(canvas: Canvas, mediastinum: Mediastinum, rng: np.random.Generator, severity: float) -> Change:
    """Lime in pieces of the coronary arteries, which run on the heart: the more of it, the longer and thicker."""
    share = np.zeros(canvas.grid.shape, np.float32)
    heart = mediastinum.field & (canvas.labels == ORGANS["heart"])
    places = []
    for number in rng.permutation(len(_ARTERIES))[: 1 + int(2.99 * severity)]:
        start, run = rng.uniform(0.05, 0.35), rng.uniform(0.25, 0.4) + 0.3 * severity
        radius = float(rng.uniform(2.0, 2.6) + 1.4 * severity)
        first, last = (np.array(end) for end in _ARTERIES[number])
        course = [first + part * (last - first) for part in np.linspace(start, start + run, 6)]
        points = [on_heart(mediastinum.thorax, float(a), float(b), depth=radius + 1) for a, b in course]
        places.append(Place(0, points[3], float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())))
        for ends in pairwise(points):
            low, high = np.min(ends, axis=0) - radius - 4, np.max(ends, axis=0) + radius + 4
            box = canvas.grid.box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
            part = canvas.grid.cover(tube(*canvas.grid.at(box), ends, (radius, radius))) * heart[box]
            np.maximum(share[box], part, out=share[box])
    share[share < _FAINTEST] = 0
    return Change(tuple(places), share, _PLAQUE_HU)


def _hernia(canvas: Canvas, mediastinum: Mediastinum, rng: np.random.Generator, severity: float) -> Change:
    """Part of the stomach above the diaphragm, behind the heart: a wall, fluid and gas, level as the patient lies."""
    thorax, grid = mediastinum.thorax, canvas.grid
    wide, deep = rng.uniform(14, 17) + 9 * severity, rng.uniform(14, 17) + 7 * severity
    tall, gas = rng.uniform(20, 25) + 16 * severity, rng.uniform(-0.2, 0.5)
    middle: Point = (
        min(thorax.dome) + 18 - 0.4 * float(tall),
        thorax.spine_y - 24 - float(deep) + float(rng.uniform(0, 3)),
        float(rng.uniform(-5, 1)),
    )
    size = (float(tall), float(deep), float(wide))
    low, high = (tuple(m + sign * (r + 6) for m, r in zip(middle, size, strict=True)) for sign in (-1, 1))
    box = grid.box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    z, y, x = grid.at(box)
    outside: Single = ball(z, y, x, middle, size)
    taken = np.isin(canvas.labels[box], [ORGANS[name] for name in ("heart", "aorta", "airways", "great_vessels")])
    share, hu = (np.zeros(grid.shape, np.float32) for _ in range(2))
    share[box] = grid.cover(outside) * (mediastinum.field[box] & ~taken)
    lumen = grid.cover(outside + 3)
    content = np.where(y < middle[1] + gas * size[1], np.float32(_GAS_HU), np.float32(_FLUID_HU))
    hu[box] = _WALL_HU + lumen * (content - _WALL_HU)
    share[share < _FAINTEST] = 0
    volume = float(share.sum()) * float(np.prod(grid.spacing_mm))  # less than the ellipsoid's: organs keep their places
    return Change((Place(0, middle, (6 / np.pi * volume) ** (1 / 3)),), share, hu, replaces=True)
