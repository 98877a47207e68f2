"""On how many sides a pixel has the patient's body, so that table, cushions and room air are told from lungs."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sightline.regions.organs.morphology import Bools, grow, shrink

_COARSE_MM = 3.0  # on such a grid the body is looked for
_THIN_MM = 4.0  # half of what the body is thicker than: the shells of tables and blankets are not


def sides_with_body(tissue: Bools, pixel_mm: tuple[float, float]) -> NDArray[np.uint8]:
    """Count for each pixel on which of its four sides, in its row and its column, there is body.

    The body is the largest connected part of the tissue that is left when thin parts are taken away. Its wall need not
    be closed, and it may lie on its back, side or front.

    Args:
        tissue: True where there is no air, `(H, W)`.
        pixel_mm: distance between rows and between columns, mm.

    Returns:
        From 0 to 4, `(H, W)`; in the body itself 4.
    """
    steps = tuple(max(1, round(_COARSE_MM / pixel)) for pixel in pixel_mm)
    coarse = tissue[:: steps[0], :: steps[1]]
    reach = max(1, round(_THIN_MM / min(step * pixel for step, pixel in zip(steps, pixel_mm, strict=True))))
    labels, count = ndimage.label(shrink(coarse, reach))
    if not count:
        return np.zeros(tissue.shape, np.uint8)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    body = grow(labels == sizes.argmax(), reach)
    sides = np.zeros(body.shape, np.uint8)
    for axis in (0, 1):
        sides += np.logical_or.accumulate(body, axis)
        sides += np.flip(np.logical_or.accumulate(np.flip(body, axis), axis), axis)
    rows, columns = (np.arange(length) // step for length, step in zip(tissue.shape, steps, strict=True))
    fine: NDArray[np.uint8] = sides[rows[:, None], columns]
    return fine
