from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from sightline.data.phantoms.anatomy import RIGHT, Bools
from sightline.data.phantoms.hospitals import RIVERSIDE
from sightline.data.phantoms.radiographs import Radiograph, make_radiograph

Take = Callable[..., Radiograph]
LungOf = Callable[[Radiograph, int], Bools]


@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
def test_air_is_at_the_apex_and_along_the_wall_of_one_side(take: Take, lung_of: LungOf, severity: float) -> None:
    for index in range(10):
        film = take(index, {"pneumothorax": severity})
        lesion = film.lesions["pneumothorax"]
        (place,) = lesion.places
        lung = lung_of(film, place.side)
        air = lesion.mask
        assert not (air & ~lung).any()
        levels = np.nonzero(lung)[0]
        assert air[levels.min() + 1][lung[levels.min() + 1]].all()  # the apex is all air
        assert np.nonzero(air)[0].mean() < levels.mean()
        for row in range(levels.min(), levels.min() + np.ptp(levels) // 3):
            columns = np.flatnonzero(lung[row])
            assert air[row, columns[0] if place.side == RIGHT else columns[-1]]  # at the wall


def test_no_vessel_runs_beyond_the_pleural_line(take: Take) -> None:
    # what is left of the fine detail there are ribs and grain
    inside, outside = [], []
    for index in range(8):
        well, ill = take(index, {}, 256), take(index, {"pneumothorax": 1.0}, 256)
        air = ndimage.binary_erosion(ill.lesions["pneumothorax"].mask, iterations=6)
        fine = [ndimage.gaussian_filter(film.film, 1) - ndimage.gaussian_filter(film.film, 3) for film in (well, ill)]
        inside.append(fine[1][air].std() / fine[0][air].std())
        rest = ill.lungs & ~ndimage.binary_dilation(ill.lesions["pneumothorax"].mask, iterations=2)
        outside.append(fine[1][rest].std() / fine[0][rest].std())
    assert np.mean(inside) < 0.97
    np.testing.assert_allclose(outside, 1, atol=0.01)


def test_the_line_is_brighter_than_the_air_beside_it() -> None:
    film = make_radiograph((2, 1), RIVERSIDE, 256, {"pneumothorax": 0.8})
    well = make_radiograph((2, 1), RIVERSIDE, 256, {})
    mask = film.lesions["pneumothorax"].mask
    change = film.film - well.film
    inner_edge = mask & ndimage.binary_dilation(film.lungs & ~mask, iterations=3)
    core = ndimage.binary_erosion(mask, iterations=6)
    assert np.quantile(change[inner_edge], 0.95) > np.quantile(change[core], 0.95) + 0.02


def test_it_is_as_wide_as_is_told(take: Take) -> None:
    for severity, low, high in ((0.0, 5, 20), (1.0, 25, 45)):
        (place,) = take(0, {"pneumothorax": severity}).lesions["pneumothorax"].places
        assert low < place.size_mm < high
