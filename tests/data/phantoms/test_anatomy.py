import numpy as np
import pytest
from scipy import ndimage

from sightline.data.phantoms.anatomy import (
    LEFT,
    RIGHT,
    Anatomy,
    air_cm,
    chest_wall,
    diaphragm,
    draw_anatomy,
    lung,
    of_side,
    round_cap,
    silhouette,
)
from sightline.data.phantoms.projection import Projection

U, V = Projection(128).coordinates()


@pytest.fixture(params=range(12))
def anatomy(request: pytest.FixtureRequest) -> Anatomy:
    return draw_anatomy(np.random.default_rng(request.param))


def test_round_cap_is_a_quarter_circle() -> None:
    np.testing.assert_allclose(round_cap(np.array([-1, 0, 0.4, 1, 2])), [0, 0, 0.8, 1, 1])


def test_each_lung_is_one_piece_on_its_side(anatomy: Anatomy) -> None:
    for side in (RIGHT, LEFT):
        field = lung(anatomy, side, U, V)
        assert ndimage.label(field)[1] == 1
        assert (side * U[field] > 0).all()
        assert 0.08 < field.mean() < 0.2


def test_lungs_fill_chest_between_heart_wall_and_diaphragm(anatomy: Anatomy) -> None:
    for side in (RIGHT, LEFT):
        lateral = side * U
        field = lung(anatomy, side, U, V)
        assert (lateral[field] > silhouette(anatomy, side, V)[field]).all()
        assert (lateral[field] < chest_wall(anatomy, side, V)[field]).all()
        assert (V[field] < diaphragm(anatomy, side, lateral)[field]).all()


def test_right_lung_is_larger_and_right_dome_higher() -> None:
    drawn = [draw_anatomy(np.random.default_rng(seed)) for seed in range(40)]
    assert all(one.dome[0] < one.dome[1] for one in drawn)
    larger = [lung(one, RIGHT, U, V).sum() > lung(one, LEFT, U, V).sum() for one in drawn]
    assert np.mean(larger) > 0.9


def test_costophrenic_angle_is_the_lowest_part_of_each_lung(anatomy: Anatomy) -> None:
    for side in (RIGHT, LEFT):
        field = lung(anatomy, side, U, V)
        lowest = np.argmax(np.where(field, V, 0))
        assert side * U.flat[lowest] > 0.85 * of_side(anatomy.width, side)


def test_air_lies_mostly_in_lung_fields(anatomy: Anatomy) -> None:
    air = air_cm(anatomy, U, V)
    fields = lung(anatomy, RIGHT, U, V) | lung(anatomy, LEFT, U, V)
    assert (air >= 0).all()
    assert air[fields].sum() > 0.75 * air.sum()
    assert air.max() < anatomy.depth_cm


def test_same_generator_gives_same_patient() -> None:
    first, second = (draw_anatomy(np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.wobble, second.wobble)
    assert first.apex == second.apex
    assert first.apex != draw_anatomy(np.random.default_rng(4)).apex
