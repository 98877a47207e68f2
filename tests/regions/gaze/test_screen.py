from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import SettingsError
from sightline.regions.gaze import Fixations, Samples, Screen, drop_outside, pixels_per_degree

BORDER = st.floats(0, 400)
LENGTH = st.integers(1, 4000)


def test_the_borders_are_the_edges_of_the_image(fixations: Callable[..., Fixations]) -> None:
    screen = Screen(left=448, right=448, top=86, bottom=86)
    shown = fixations([(448, 86), (1472, 994), (960, 540)], (1080, 1920), pixels_per_degree=(32, 32))
    gaze = screen.to_image(shown, (3000, 2048))
    np.testing.assert_allclose(gaze.x, [0, 2048, 1024])  # by hand: two image pixels a screen pixel
    np.testing.assert_allclose(gaze.y, [0, 3000, 1500])
    assert gaze.size == (3000, 2048)
    assert gaze.pixels_per_degree is not None
    np.testing.assert_allclose(gaze.pixels_per_degree[0], [64, 32 * 3000 / 908])


@given(BORDER, BORDER, BORDER, BORDER, LENGTH, LENGTH, st.integers(0, 2**31))
def test_there_and_back_is_the_same_place(
    left: float, right: float, top: float, bottom: float, height: int, width: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform((-100, -100), (2020, 1180), (20, 2)).T
    time = np.arange(20.0)
    shown = Samples(time, x, y, np.ones(20, bool), (1080, 1920), np.full((20, 2), 33.0))
    screen = Screen(left, right, top, bottom)
    back = screen.to_screen(screen.to_image(shown, (height, width)))
    np.testing.assert_allclose(back.x, x, rtol=0, atol=1e-9)
    np.testing.assert_allclose(back.y, y, rtol=0, atol=1e-9)
    assert back.size == (1080, 1920)
    assert back.pixels_per_degree is not None
    np.testing.assert_allclose(back.pixels_per_degree, 33)


@given(st.integers(0, 500), st.integers(0, 500), LENGTH, LENGTH, st.integers(0, 2**31))
def test_what_is_on_the_shown_image_is_on_the_image(left: int, top: int, height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform((-100, -100), (2020, 1180), (20, 2)).T
    shown = Samples(np.arange(20.0), x, y, np.ones(20, bool), (1080, 1920))
    gaze, dropped = drop_outside(Screen(left=left, right=600, top=top, bottom=40).to_image(shown, (height, width)))
    on_image = (x >= left) & (x < 1320) & (y >= top) & (y < 1040)
    assert gaze.valid.tolist() == on_image.tolist()
    assert dropped == 20 - on_image.sum()


def test_places_beside_the_image_are_not_pushed_to_its_corner(fixations: Callable[..., Fixations]) -> None:
    """EGD-CXR's code gives each of them the place (-1, -1) of the screen, scaled."""
    gaze = Screen(left=100, right=0).to_image(fixations([(50, 540)], (1080, 1920)), (1080, 1820))
    np.testing.assert_allclose((gaze.x[0], gaze.y[0]), (-50, 540))


def test_an_odd_size_stays_odd(fixations: Callable[..., Fixations]) -> None:
    """EGD-CXR's code adds a line to make it even, and stretches places to that."""
    gaze = Screen().to_image(fixations([(1920, 1080)], (1080, 1920)), (2021, 2505))
    assert (gaze.x[0], gaze.y[0]) == (2505, 2021)


@pytest.mark.parametrize("borders", [(-1, 0, 0, 0), (960, 960, 0, 0), (0, 0, 600, 600), (np.nan, 0, 0, 0)])
def test_borders_without_room_are_refused(borders: tuple[float, float, float, float]) -> None:
    with pytest.raises(SettingsError, match="borders must leave room for an image on a screen of 1920 x 1080, got"):
        Screen(*borders)


def test_a_degree_in_pixels() -> None:
    assert pixels_per_degree(572.957795, 0.1) == pytest.approx(100, rel=1e-4)  # 1 cm is about a degree at 57.3 cm
    with pytest.raises(SettingsError, match="must be positive, got 0 and 1"):
        pixels_per_degree(0, 1)
