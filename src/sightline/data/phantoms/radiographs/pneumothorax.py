"""Pneumothorax: free air between chest wall and lung, the visceral pleura as a fine line, no vessels beyond it."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from sightline.data.phantoms.anatomy import LEFT, RIGHT, chest_wall, lung_field, of_side, round_cap
from sightline.data.phantoms.radiographs.canvas import Canvas, Change, Place
from sightline.data.phantoms.vessels import FIELD_CM

_LINE_CM, _LINE = 0.55, 0.0022  # depth of the pleura seen edge on, and its width as a share of the side
_WIDEST, _MARGIN = 0.4, 0.02  # the half of the chest lies within, and the air between its levels with that to spare


def draw_pneumothorax(canvas: Canvas, rng: np.random.Generator, severity: float) -> Change:
    """Draw free air over the apex and along the wall of one lung.

    Args:
        canvas: the chest.
        rng: generator that is advanced.
        severity: from 0, a rim over the apex, to 1, air down to the diaphragm.
    """
    side = RIGHT if rng.random() < 0.52 else LEFT
    gap = 0.02 + 0.075 * severity + float(rng.uniform(0, 0.008))
    drop = 0.03 + 0.08 * severity
    anatomy, plane, top = canvas.anatomy, canvas.plane, of_side(canvas.anatomy.apex, side)
    reach = top + 0.3 + 0.35 * severity  # level at which the lung meets the wall again
    rows = plane.rows(top - _MARGIN, reach + _MARGIN)
    columns = plane.columns(-_WIDEST, 0) if side == RIGHT else plane.columns(0, _WIDEST)
    lines, field = canvas.outlines[side].window(rows, columns), canvas.fields[side][rows, columns]
    above = (reach - lines.v) / (reach - top - drop)
    close = np.clip(above, 0, 1)
    close = close**2 * (3 - 2 * close)
    before = lines.v - drop * np.clip(above, 0, None)  # where this level was
    wall = chest_wall(anatomy, side, before) - gap * np.sqrt(close) * round_cap((before - top) / 0.22)
    left_over = lung_field(anatomy, replace(lines, v=before, wall=wall, floor=lines.floor - lines.v + before))
    free = field & ~left_over
    sigma = max(_LINE / plane.pitch, 0.6)
    soft = ndimage.gaussian_filter(free.astype(np.float32), sigma, truncate=3)
    line = np.where(field, np.float32(4 * _LINE_CM) * soft * (1 - soft), np.float32(0))
    edge = ndimage.gaussian_filter((~field).astype(np.float32), sigma, truncate=3)
    line *= np.clip(1 - 6 * edge, 0, 1)  # the pleura of the chest wall stays with the wall
    line[line < 0.05] = 0
    bare, added = np.zeros_like(canvas.air), np.zeros_like(canvas.air)
    bare[rows, columns], added[rows, columns] = free, line
    size_mm = 10 * FIELD_CM * max(gap, 0.8 * drop)
    return Change((Place(side, "upper", size_mm),), bare=bare, added=added)
