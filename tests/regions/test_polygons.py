import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

from sightline.errors import DataError, ShapeError
from sightline.regions.boxes import mask_from_boxes
from sightline.regions.polygons import ellipse, mask_from_polygon, mask_from_polygons

SQUARE = [(1, 1), (4, 1), (4, 4), (1, 4)]
SEEDS = st.integers(0, 2**31)


def test_a_square_of_whole_pixels_has_no_more_and_no_fewer() -> None:
    expected = mask_from_boxes([(1, 1, 3, 3)], (5, 6))
    for points in (SQUARE, SQUARE[::-1], SQUARE[2:] + SQUARE[:2], [*SQUARE, SQUARE[0]]):
        np.testing.assert_array_equal(mask_from_polygon([points], (5, 6)), expected)


def test_a_triangle_by_hand() -> None:
    # below the diagonal from (0, 0) to (4, 4): pixel centres with x < y, of which those on it count as left of it
    triangle = [(0, 0), (4, 4), (0, 4)]
    np.testing.assert_array_equal(mask_from_polygon([triangle], (4, 4)), np.tri(4, k=-1))
    np.testing.assert_array_equal(mask_from_polygon([[(0, 0), (4, 0), (4, 4)]], (4, 4)), np.tri(4).T)


def test_less_than_half_a_pixel_moves_nothing_and_more_does() -> None:
    for shift, expected in ((0.49, [0, 1, 1, 0]), (0.51, [0, 0, 1, 1]), (-0.51, [1, 1, 0, 0])):
        points = [(1 + shift, 0), (3 + shift, 0), (3 + shift, 1), (1 + shift, 1)]
        np.testing.assert_array_equal(mask_from_polygon([points], (1, 4)), [expected])


def test_a_hole_is_left_out_and_outlines_are_united() -> None:
    outer, inner = [(0, 0), (5, 0), (5, 5), (0, 5)], [(2, 2), (2, 3), (3, 3), (3, 2)]
    expected = np.ones((5, 5), bool)
    expected[2, 2] = False
    np.testing.assert_array_equal(mask_from_polygon([outer, inner], (5, 5)), expected)
    assert mask_from_polygons([outer, inner], (5, 5)).all()


@given(SEEDS, st.integers(3, 9))
def test_any_outline_is_that_of_matplotlib_by_even_and_odd(seed: int, corners: int) -> None:
    points = np.random.default_rng(seed).uniform(-4, 24, (corners, 2))
    y, x = np.indices((16, 20)) + 0.5
    centres = np.stack([x.ravel(), y.ravel()], axis=1)
    theirs = Outline([*points, points[0]], closed=True).contains_points(centres).reshape(16, 20)
    np.testing.assert_array_equal(mask_from_polygon([points], (16, 20)), theirs)


@given(SEEDS, st.integers(3, 9))
def test_any_outline_is_that_of_scikit_image(seed: int, corners: int) -> None:
    measure = pytest.importorskip("skimage.measure")
    points = np.random.default_rng(seed).uniform(-4, 24, (corners, 2))
    theirs = measure.grid_points_in_poly((16, 20), points[:, ::-1] - 0.5)  # its pixel centres are whole numbers
    np.testing.assert_array_equal(mask_from_polygon([points], (16, 20)), theirs)


@given(SEEDS)
def test_neighbours_with_a_common_edge_neither_overlap_nor_leave_a_gap(seed: int) -> None:
    generator = np.random.default_rng(seed)
    cut = np.round(generator.uniform(0, 10, (2, 1)) * 2) / 2  # also through pixel centres
    left = [(0, 0), (cut[0, 0], 0), (cut[1, 0], 8), (0, 8)]
    right = [(cut[0, 0], 0), (10, 0), (10, 8), (cut[1, 0], 8)]
    shares = [mask_from_polygon([ring], (8, 10)).astype(int) for ring in (left, right)]
    np.testing.assert_array_equal(sum(shares), 1)


def test_an_ellipse_has_its_area_and_direction() -> None:
    lying = mask_from_polygon([ellipse((50, 40), (30, 10))], (80, 100))
    assert lying.sum() == pytest.approx(np.pi * 300, rel=0.01)
    assert (lying.any(axis=0).sum(), lying.any(axis=1).sum()) == (60, 20)
    tilted = mask_from_polygon([ellipse((50, 40), (30, 10), np.pi / 4)], (80, 100))
    y, x = np.nonzero(tilted)
    assert np.corrcoef(x, y)[0, 1] > 0.5  # from the x axis towards the y axis, which leads down
    assert tilted.sum() == pytest.approx(lying.sum(), rel=0.01)


def test_what_is_no_outline_is_told() -> None:
    for ring in ([(0, 0), (1, 1)], [(0, 0, 0)] * 3, []):
        with pytest.raises(ShapeError, match=r"^an outline must be three or more points \(x, y\), got \("):
            mask_from_polygon([ring], (2, 2))
    with pytest.raises(ShapeError, match=r"^an outline must be pairs of numbers \(x, y\)$"):
        mask_from_polygon([[(0, 0), (1, "x"), (1, 1)]], (2, 2))  # type: ignore[list-item]
    with pytest.raises(DataError, match=r"^an outline must have finite coordinates, got 1 others$"):
        mask_from_polygon([[(0, 0), (1, np.nan), (1, 1)]], (2, 2))
