import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.data.phantoms.projection import Band, Projection, draw_bands


@given(scale=st.floats(0.8, 1.2), right=st.floats(-0.1, 0.1), down=st.floats(-0.1, 0.1), angle=st.floats(-0.2, 0.2))
def test_pixels_undo_coordinates(scale: float, right: float, down: float, angle: float) -> None:
    film = Projection(16, scale, (right, down), angle)
    back = film.pixels(np.stack(film.coordinates(), axis=-1))
    rows, columns = np.mgrid[:16, :16] + 0.5
    np.testing.assert_allclose(back[..., 0], columns, atol=1e-9)
    np.testing.assert_allclose(back[..., 1], rows, atol=1e-9)


def test_unmoved_film_has_midline_in_its_middle() -> None:
    u, v = Projection(4).coordinates()
    np.testing.assert_allclose(u[0], [-0.375, -0.125, 0.125, 0.375])
    np.testing.assert_allclose(v[:, 0], [0.125, 0.375, 0.625, 0.875])


def test_positive_angle_turns_clockwise() -> None:
    film = Projection(100, angle=np.pi / 2)
    np.testing.assert_allclose(film.pixels(np.array([0.0, 0.25])), [75, 50])  # up goes right


def test_straight_band_covers_its_rectangle() -> None:
    points = np.stack([np.linspace(-0.25, 0.25, 5), np.full(5, 0.5)], axis=-1)
    band = Band(points, np.full(5, 0.125), inside=255, rim=255)
    drawn = draw_bands([band], Projection(64))
    assert drawn[32, 32] == 1
    assert drawn[10, 32] == drawn[32, 5] == 0
    assert drawn.mean() == pytest.approx(0.5 * 0.25, rel=0.1)


def test_rim_frames_the_band() -> None:
    points = np.stack([np.linspace(-0.4, 0.4, 5), np.full(5, 0.5)], axis=-1)
    drawn = draw_bands([Band(points, np.full(5, 0.125), inside=100, rim=200)], Projection(64), rim_width=0.02)
    column = drawn[:, 32] * 255
    assert column[32] == pytest.approx(100, abs=1)
    assert column.max() > 150
    assert {int(np.argmax(column)) // 8} <= {2, 3, 4}
