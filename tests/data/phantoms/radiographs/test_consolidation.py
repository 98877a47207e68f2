from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from sightline.data.phantoms.anatomy import RIGHT
from sightline.data.phantoms.radiographs import Radiograph

Take = Callable[..., Radiograph]


@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
def test_every_film_has_some_in_the_lung_it_names(take: Take, severity: float) -> None:
    for index in range(16):
        film = take(index, {"consolidation": severity}, 64)
        lesion = film.lesions["consolidation"]
        assert 1 <= len(lesion.places) <= 3
        right = lesion.mask[:, :32].sum() > lesion.mask[:, 32:].sum()
        if len({place.side for place in lesion.places}) == 1:
            assert right == (lesion.places[0].side == RIGHT)


def test_it_is_ragged_not_round(take: Take) -> None:
    shares = []
    for index in range(8):
        pieces, _ = ndimage.label(take(index, {"consolidation": 0.5}).lesions["consolidation"].mask)
        largest = pieces == np.argmax(np.bincount(pieces.ravel())[1:]) + 1
        edge = largest & ~ndimage.binary_erosion(largest)
        shares.append(edge.sum() ** 2 / largest.sum())
    assert np.median(shares) > 1.3 * 4 * np.pi * 0.8  # a disc of pixels has about 4 pi times 0.8


def test_airways_stay_dark_in_it(take: Take) -> None:
    # vessels of the healthy lung are brighter than what is about them, those of a filled one are not
    contrast = {"well": [], "ill": []}
    for index in range(8):
        well, ill = take(index, {}, 256), take(index, {"consolidation": 1.0}, 256)
        mask = ndimage.binary_erosion(ill.lesions["consolidation"].mask, iterations=4)
        detail = well.film - ndimage.gaussian_filter(well.film, 4)
        bright = mask & (detail > np.quantile(detail[mask], 0.9))
        for name, film in (("well", well.film), ("ill", ill.film)):
            contrast[name].append(film[bright].mean() - film[mask].mean())
    assert np.mean(contrast["ill"]) < np.mean(contrast["well"])
