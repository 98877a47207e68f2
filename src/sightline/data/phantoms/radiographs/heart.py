"""The heart: its field on the film, and enlarging it."""

from dataclasses import replace

import numpy as np

from sightline.data.phantoms.anatomy import HEART_TOP, LEFT, RIGHT, Anatomy, Bools, Outline
from sightline.data.phantoms.radiographs.patients import cardiothoracic_ratio, chest_width

_DIP = 0.012  # how far its upper border rises in the middle


def enlarge(anatomy: Anatomy, rng: np.random.Generator, severity: float) -> Anatomy:
    """Enlarge the heart to a cardiothoracic ratio of about 0.55 (severity 0) to 0.7 (severity 1), mostly leftwards."""
    ratio = cardiothoracic_ratio(anatomy)
    wanted = max(0.545, ratio + 0.06) + 0.12 * severity + float(rng.uniform(0, 0.015))
    more, share = (wanted - ratio) * chest_width(anatomy), float(rng.uniform(0.62, 0.78))
    return replace(anatomy, enlargement=((1 - share) * more, share * more))


def heart_field(outlines: dict[int, Outline]) -> Bools:
    """The heart between its borders, from the level of the pulmonary trunk down to the diaphragm.

    Args:
        outlines: of the right and the left lung, each of a column of levels and a row of distances.
    """
    levels, aside = outlines[LEFT].v[:, 0], outlines[LEFT].lateral[0]
    floor = max(float(lines.floor.max()) for lines in outlines.values())
    reach = {side: float(lines.border.max()) for side, lines in outlines.items()}
    rows = slice(*np.searchsorted(levels, (HEART_TOP - _DIP, floor)))
    columns = slice(*np.searchsorted(aside, (-reach[RIGHT], reach[LEFT])))
    right, left = (outlines[side].window(rows, columns) for side in (RIGHT, LEFT))
    onwards = np.clip(left.lateral / 0.12 + 0.5, 0, 1)  # the floor goes over from one dome into the other
    floors = right.floor + (left.floor - right.floor) * onwards**2 * (3 - 2 * onwards)
    top = HEART_TOP - _DIP * (1 - np.clip(left.lateral / 0.1, -1, 1) ** 2)
    inside = (left.v > top) & (left.v < floors) & (right.lateral < right.border) & (left.lateral < left.border)
    field = np.zeros((len(levels), len(aside)), bool)
    field[rows, columns] = inside
    return field
