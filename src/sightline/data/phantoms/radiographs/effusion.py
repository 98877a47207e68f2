"""Pleural effusion: fluid that blunts the costophrenic angle and climbs the chest wall in a meniscus."""

import numpy as np

from sightline.data.phantoms.anatomy import LEFT, RIGHT, diaphragm, of_side
from sightline.data.phantoms.radiographs.canvas import Canvas, Change, Place

_FAINTEST = 0.06


def draw_effusion(canvas: Canvas, rng: np.random.Generator, severity: float, *, dry: int = 0) -> Change:
    """Draw pleural fluid on one side or both.

    Args:
        canvas: the chest.
        rng: generator that is advanced.
        severity: from 0, a blunted angle, to 1, fluid up to the hilum.
        dry: a side without fluid, or 0.
    """
    first = RIGHT if rng.random() < 0.5 else LEFT
    sides = [side for side in ((first, -first) if rng.random() < 0.25 else (first,)) if side != dry] or [-dry]
    filled = np.zeros_like(canvas.air)
    for index, side in enumerate(sides):
        amount = severity * (1 if index == 0 else float(rng.uniform(0.3, 0.9)))
        width = of_side(canvas.anatomy.width, side)
        floor = float(diaphragm(canvas.anatomy, side, np.array(width)))
        rows = canvas.plane.rows(floor - 0.5, floor)
        columns = canvas.plane.columns(0, 0.5) if side == LEFT else canvas.plane.columns(-0.5, 0)
        lines = canvas.outlines[side].window(rows, columns)
        aside = np.clip(lines.wall - lines.lateral, 0, None)  # from the chest wall
        inward = np.clip(lines.lateral - lines.border, 0, None)  # from the heart
        level = float(np.clip(amount / 0.35, 0, 1))  # a little fluid stays in the angle, more of it spreads
        depth = 0.05 + 0.27 * amount + float(rng.uniform(0, 0.015))
        cling = np.exp(-aside / (0.035 + 0.02 * amount))
        surface = floor - depth * (level + (1 - level) * np.exp(-aside / 0.05)) - (0.02 + 0.05 * amount) * cling
        surface -= 0.025 * level * np.exp(-inward / 0.035)
        fluid = np.clip((lines.v - surface) / (0.02 + 0.035 * amount), 0, 1)
        fluid *= fluid * (3 - 2 * fluid) * float(rng.uniform(0.8, 0.95))
        filled[rows, columns] = np.where(canvas.fields[side][rows, columns] & (fluid > _FAINTEST), fluid, 0)
    places = tuple(Place(side, "lower") for side in sides)
    return Change(places, filled=filled)
