from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from sightline.data.phantoms.radiographs import Radiograph
from sightline.data.phantoms.vessels import FIELD_CM

Take = Callable[..., Radiograph]


@pytest.mark.parametrize("severity", [0.1, 0.5, 1.0])
def test_it_is_round_and_of_the_size_that_is_told(take: Take, severity: float) -> None:
    checked = 0
    for index in range(12):
        film = take(index, {"nodule": severity}, 256)
        lesion = film.lesions["nodule"]
        pieces, count = ndimage.label(lesion.mask, np.ones((3, 3)))
        if count != 1 or len(lesion.places) != 1:
            continue
        rows, columns = np.nonzero(pieces)
        mm = 10 * FIELD_CM / 256  # the film's magnification is within 8 % of 1
        across, area = max(np.ptp(rows), np.ptp(columns)) + 1, len(rows)
        diameter = 2 * np.sqrt(area / np.pi) * mm
        assert diameter == pytest.approx(lesion.places[0].size_mm, rel=0.12, abs=2 * mm)
        assert area > 0.55 * across**2  # a disc: 0.79
        checked += 1
    assert checked >= 6


def test_it_lies_in_the_third_that_is_told(take: Take) -> None:
    for index in range(12):
        film = take(index, {"nodule": 0.4})
        lesion = film.lesions["nodule"]
        if len(lesion.places) > 1:
            continue
        levels = np.nonzero(film.lungs)[0]
        share = (np.nonzero(lesion.mask)[0].mean() - levels.min()) / np.ptp(levels)
        wanted = {"upper": (0, 0.36), "middle": (0.2, 0.66), "lower": (0.45, 1)}[lesion.places[0].zone]
        assert wanted[0] <= share <= wanted[1]


def test_it_avoids_what_would_hide_it(take: Take) -> None:
    hidden = 0
    for index in range(12):
        film = take(index, {"nodule": 0.2, "effusion": 0.8})
        nodule = film.lesions["nodule"].mask
        hidden += (nodule & film.lesions["effusion"].mask).sum() > 0.5 * nodule.sum()
    assert hidden <= 1
