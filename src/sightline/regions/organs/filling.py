"""What belongs to a lung though it is no air: vessels, nodules, masses."""

import numpy as np

from sightline.regions.organs.halves import Codes
from sightline.regions.organs.morphology import Bools, close, fill_holes
from sightline.regions.organs.settings import LEFT_LUNG, RIGHT_LUNG


def fill_lungs(codes: Codes, pixel_mm: tuple[float, float], *, fill_mm2: float, closing_mm: float) -> None:
    """Fill holes and notches of each lung in each section, in place; neither lung takes from the other.

    A hole larger than `fill_mm2` stays, such as the dome of the diaphragm with the liver in it; so does what lies at
    the chest wall and is wider than twice `closing_mm`, such as a large effusion.

    Args:
        codes: 1 in the right and 3 in the left lung, `(D, H, W)`.
        pixel_mm: distance between rows and between columns, mm.
        fill_mm2: area up to which a hole is filled.
        closing_mm: half the width up to which a notch is filled.
    """
    most = fill_mm2 / (pixel_mm[0] * pixel_mm[1])
    reach = round(closing_mm / min(pixel_mm))
    for section in codes:
        for code in (RIGHT_LUNG, LEFT_LUNG):
            lung = section == code
            rows, columns = np.flatnonzero(lung.any(axis=1)), np.flatnonzero(lung.any(axis=0))
            if not rows.size:
                continue
            place = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            _fill(section[place], lung[place], code, most, reach)


def _fill(section: Codes, lung: Bools, code: int, most: float, reach: int) -> None:
    filled = fill_holes(np.pad(close(lung, reach), 1), most)[1:-1, 1:-1]
    section[filled & (section == 0)] = code
