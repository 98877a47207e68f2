"""Nodules: round shadows of tissue in the lung."""

import numpy as np

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Bools, of_side
from sightline.data.phantoms.radiographs.canvas import Canvas, Change, Place
from sightline.data.phantoms.vessels import FIELD_CM

_LOBES = np.arange(2, 6)  # waves around the outline


def draw_nodule(canvas: Canvas, rng: np.random.Generator, severity: float, taken: Bools) -> Change:
    """Draw one nodule, seldom two or three.

    Args:
        canvas: the chest.
        rng: generator that is advanced.
        severity: from 0, a small one, to 1, a mass.
        taken: where other findings would hide it, `(side, side)`.
    """
    added = np.zeros_like(canvas.air)
    places = []
    for _ in range(1 + int(rng.random() < 0.2) + int(rng.random() < 0.08)):
        size_mm = float(rng.uniform(9, 13) + 22 * severity**1.5)
        radius = size_mm / (20 * FIELD_CM)
        side, u, v = _free_point(canvas, rng, radius, taken)
        plane = canvas.plane
        reach = 1.5 * radius
        rows, columns = plane.rows(v - reach, v + reach), plane.columns(u - reach, u + reach)
        x, y = plane.u[:, columns] - u, plane.v[rows] - v
        sizes, phases = rng.normal(0, 0.06, len(_LOBES)) / (_LOBES - 1), rng.uniform(0, 2 * np.pi, len(_LOBES))
        around = np.arctan2(y, x)
        bumps = sum(float(a) * np.sin(k * around + float(b)) for k, a, b in zip(_LOBES, sizes, phases, strict=True))
        depth = np.sqrt(np.clip(1 - (x**2 + y**2) / (radius * (1 + bumps)) ** 2, 0, None))
        # tissue for lung along the chord, and denser than water so that small ones show, as those that are reported do
        chord = float(rng.uniform(1.0, 1.3) * (0.7 + 0.12 * size_mm)) * depth * np.sqrt(depth)
        chord *= canvas.fields[side][rows, columns]
        added[rows, columns] = np.maximum(added[rows, columns], chord)
        places.append(Place(side, canvas.zone(v), size_mm))
    return Change(tuple(places), added=added)


def _free_point(canvas: Canvas, rng: np.random.Generator, radius: float, taken: Bools) -> tuple[int, float, float]:
    """A side and a place from which the whole nodule lies in the lung, if possible where nothing hides it."""
    best = (-1, RIGHT, 0.5 * -of_side(canvas.anatomy.width, RIGHT), 0.45)
    for _ in range(60):
        side = RIGHT if rng.random() < 0.5 else LEFT
        u, v = side * float(rng.uniform(0.09, 0.33)), float(rng.uniform(0.22, 0.74))
        reach = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]]) * 1.25 * radius
        places = np.rint(canvas.plane.pixels(np.array([u, v]) + reach)).astype(int)
        columns, rows = places.T.clip(0, canvas.plane.side - 1)
        inside = canvas.fields[side][rows, columns]
        score = int(inside.sum()) + (5 * int((~taken[rows, columns]).sum()) if inside[0] else 0)
        if score > best[0]:
            best = (score, side, u, v)
        if score == 30:
            break
    return best[1:]
