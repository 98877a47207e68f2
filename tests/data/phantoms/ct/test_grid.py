import numpy as np
import pytest

from sightline.data.phantoms.ct.grid import Canvas, Grid, ball, tube

GRID = Grid(60, 360.0, 4.0, (10.0, -5.0))


def test_axes_are_in_millimetres_and_the_affine_says_the_same() -> None:
    z, y, x = (axis.ravel() for axis in GRID.axes)
    assert (len(z), len(y), len(x)) == GRID.shape == (81, 60, 60)
    assert GRID.spacing_mm == (4.0, 6.0, 6.0)
    assert (z[0], y[0] + y[-1], x[0] + x[-1]) == (-22.0, 20.0, -10.0)
    right, front, head, _ = GRID.affine @ [3, 7, 11, 1]  # column, row, slice
    np.testing.assert_allclose([right, front, head], [-x[3], -y[7], -z[11]], rtol=1e-6)


def test_a_box_holds_what_lies_between_its_corners_and_hardly_more() -> None:
    box = GRID.box((0, -20, -30), (40, 20, 30))
    for part, low, high, step in zip(GRID.at(box), (0, -20, -30), (40, 20, 30), GRID.spacing_mm, strict=True):
        assert low - step <= part.min() <= low
        assert high <= part.max() <= high + 2 * step
    assert GRID.at(GRID.box((-1e3, 900, 900), (1e3, 999, 999)))[1].size == 0


def test_a_painted_ball_has_the_volume_of_a_ball_and_its_label() -> None:
    grid = Grid(120, 240.0, 2.0)
    canvas = Canvas(grid, np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.uint8))
    canvas.paint(ball(*grid.axes, (100.0, 0.0, 0.0), (30.0, 30.0, 30.0)), 1.0, label=3)
    exact = 4 / 3 * np.pi * 30**3 / 8
    assert canvas.values.sum() == pytest.approx(exact, rel=0.01)
    assert (canvas.labels == 3).sum() == pytest.approx(exact, rel=0.02)
    assert set(np.unique(canvas.labels)) == {0, 3}


def test_a_tube_has_its_radius_at_each_end() -> None:
    at = [np.array([value], np.float32) for value in (0, 0, 0)]
    ends = ((0.0, 0.0, 0.0), (0.0, 0.0, 10.0))
    assert tube(*at, ends, (3.0, 1.0))[0] == -3
    assert tube(at[0], at[1], at[2] + 10, ends, (3.0, 1.0))[0] == -1
    assert tube(at[0] + 4, at[1], at[2] + 5, ends, (3.0, 1.0))[0] == pytest.approx(2)
    assert tube(at[0], at[1], at[2] + 14, ends, (3.0, 1.0))[0] == pytest.approx(3)
