from collections.abc import Callable

import numpy as np
import pytest

from sightline.data.phantoms.radiographs import Radiograph

Take = Callable[..., Radiograph]


def ratio_on_film(film: Radiograph) -> float:
    """Widest heart over widest chest, as measured on the masks."""
    heart, lungs = (np.nonzero(mask.any(axis=0))[0] for mask in (film.heart, film.lungs))
    return float((np.ptp(heart) + 1) / (np.ptp(lungs) + 1))


def test_the_ratio_read_off_the_masks_is_that_which_is_told(take: Take) -> None:
    for index in range(12):
        for findings in ({}, {"cardiomegaly": 0.5}):
            film = take(index, findings, 256)
            assert ratio_on_film(film) == pytest.approx(film.ratio, abs=0.03)  # films are tilted by up to 4 degrees


@pytest.mark.parametrize("severity", [0.0, 1.0])
def test_it_is_over_a_half_with_cardiomegaly_and_not_over_without(take: Take, severity: float) -> None:
    seen = set()
    for index in range(16):
        well, ill = take(index, {}), take(index, {"cardiomegaly": severity})
        limit = 0.5 if well.patient.view == "PA" else 0.54  # a film from the front enlarges the heart
        assert ratio_on_film(well) <= limit
        assert ratio_on_film(ill) > 0.52
        assert ill.ratio > max(0.54, well.ratio + 0.05)
        seen.add(well.patient.view)
    assert seen == {"PA", "AP"}


def test_it_grows_beyond_itself_mostly_to_the_left(take: Take) -> None:
    for index in range(8):
        well, ill = take(index, {}), take(index, {"cardiomegaly": 0.8})
        assert not (well.heart & ~ill.heart).any()
        middle = np.median(np.nonzero(well.lungs)[1])
        columns = np.nonzero(ill.heart & ~well.heart)[1]
        assert (columns > middle).mean() > 0.55
        assert not (ill.heart & ill.lungs).sum() > 0.1 * ill.heart.sum()  # but for the pixels of both
