from collections.abc import Callable

import numpy as np
import pytest

from sightline.data.phantoms.anatomy import RIGHT, Bools
from sightline.data.phantoms.radiographs import Radiograph

Take = Callable[..., Radiograph]
LungOf = Callable[[Radiograph, int], Bools]


@pytest.mark.parametrize("severity", [0.0, 0.3, 1.0])
def test_fluid_lies_at_the_base_and_blunts_the_angle(take: Take, lung_of: LungOf, severity: float) -> None:
    for index in range(12):
        film = take(index, {"effusion": severity})
        lesion = film.lesions["effusion"]
        for place in lesion.places:
            lung = lung_of(film, place.side)
            fluid, (levels, _) = lesion.mask & lung, np.nonzero(lung)
            assert np.median(np.nonzero(fluid)[0]) > np.quantile(levels, 0.7)
            assert fluid[levels.max()].any() or fluid[levels.max() - 1].any()  # the lowest lung: the angle
            assert place.zone == "lower"


def test_a_side_that_is_not_named_is_dry(take: Take, lung_of: LungOf) -> None:
    for index in range(12):
        film = take(index, {"effusion": 0.6})
        lesion = film.lesions["effusion"]
        sides = {place.side for place in lesion.places}
        for side in (-1, 1):
            assert (lesion.mask & lung_of(film, side)).any() == (side in sides)


def test_it_climbs_the_wall(take: Take, lung_of: LungOf) -> None:
    climbs = 0
    for index in range(12):
        film = take(index, {"effusion": 0.5})
        lesion = film.lesions["effusion"]
        side = lesion.places[0].side
        fluid = lesion.mask & lung_of(film, side)
        there = np.flatnonzero(fluid.any(axis=0))
        top = fluid[:, there].argmax(axis=0)
        wall = top[:4] if side == RIGHT else top[-4:]
        climbs += wall.min() < top[len(top) // 2]
    assert climbs >= 10


def test_fluid_and_free_air_keep_to_sides_of_their_own(take: Take) -> None:
    for index in range(8):
        film = take(index, {"effusion": 0.5, "pneumothorax": 0.5})
        air = film.lesions["pneumothorax"].places[0].side
        assert all(place.side == -air for place in film.lesions["effusion"].places)
        assert not (film.lesions["effusion"].mask & film.lesions["pneumothorax"].mask).any()
