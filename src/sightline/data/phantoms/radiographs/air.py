"""Lungs on a plane: the air along each ray and the lung fields, drawn in the part of the plane that holds them."""

import numpy as np

from sightline.data.phantoms.anatomy import (
    LEFT,
    RIGHT,
    Anatomy,
    Bools,
    Floats,
    Outline,
    lung_field,
    of_side,
    outline,
    round_cap,
)
from sightline.data.phantoms.radiographs.plane import Plane, Single

_MARGIN = 0.16  # how far below the costophrenic angles lung is seen


def draw_lungs(anatomy: Anatomy, plane: Plane) -> tuple[Single, dict[int, Bools], dict[int, Outline]]:
    """Centimetres of lung along each ray, the lung fields, and their outlines.

    Args:
        anatomy: the patient.
        plane: where on.
    """
    air = np.zeros((plane.side, plane.side), np.float32)
    outlines = {side: outline(anatomy, side, plane.u, plane.v) for side in (RIGHT, LEFT)}
    fields = {side: np.zeros_like(air, bool) for side in outlines}
    rows = plane.rows(min(anatomy.apex), max(anatomy.dome) + max(anatomy.angle) + _MARGIN)
    for side, lines in outlines.items():
        widest = float(lines.wall.max())
        columns = plane.columns(-widest, 0) if side == RIGHT else plane.columns(0, widest)
        near = lines.window(rows, columns)
        air[rows, columns] = _air_cm(anatomy, near)
        fields[side][rows, columns] = lung_field(anatomy, near)
    return air, fields, outlines


def _air_cm(anatomy: Anatomy, lines: Outline) -> Floats:
    """As `anatomy.lung_cm`, but below the diaphragm the lung fades inwards, whatever the border of the heart.

    So an enlarged heart changes nothing below the diaphragm.

    Args:
        anatomy: the patient.
        lines: a column of levels and a row of distances.
    """
    v, top = lines.v, of_side(anatomy.apex, lines.side)
    middle = 0.4 * of_side(anatomy.width, lines.side)
    edge = middle - (middle - 0.02) * round_cap((v - top) / 0.13)
    air = lines.wall - lines.lateral
    air *= 1 / np.maximum(0.75 * (lines.wall - edge), 1e-6)
    inward = lines.lateral - edge
    inward *= 10
    for rise in (air, inward):  # to the square of a quarter of an ellipse
        np.clip(rise, 0, 1, out=rise)
        np.subtract(1, rise, out=rise)
        rise *= rise
        np.subtract(1, rise, out=rise)
    air *= inward
    np.sqrt(air, out=air)
    air *= (0.72 * anatomy.depth_cm) * (0.35 + 0.65 * round_cap((v - top) / 0.3)) * (v > top)
    low = slice(int((v < lines.floor.min()).sum()), None)
    recess = 1 - np.clip((v[low] - lines.floor) / 0.14, 0, 1)
    recess *= recess
    recess *= 0.32 * np.clip(lines.lateral / 0.28, 0, 1) ** 1.5
    recess *= air[low]  # behind the dome
    air *= _beside_heart(lines)
    air[low] = np.where(v[low] > lines.floor, recess, air[low])
    return air


def _beside_heart(lines: Outline) -> Floats:
    """Share of the lung that no soft tissue in front takes the place of.

    All of it outside the silhouette; inside it the heart takes most of the chest, and its border is crisp.
    """
    solid = 0.28 + 0.12 * np.clip((lines.v - 0.4) / 0.2, 0, 1)
    heart = 1 - lines.lateral / np.maximum(lines.border, 1e-6)
    inside = heart > 0
    np.clip(heart, 0, 1, out=heart)
    np.sqrt(heart, out=heart)
    heart *= -0.55
    heart += 1 - solid
    np.maximum(heart, 0, out=heart)
    return np.where(inside, heart, np.float32(1))
