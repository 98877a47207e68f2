import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from sightline.regions.organs.morphology import at_border, bounding_box, close, fill_holes, grow, inner, shrink

CROSS, SQUARE = ndimage.generate_binary_structure(2, 1), np.ones((3, 3), bool)


@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_growing_is_dilation_by_a_cross_and_a_square_in_turn(seed: int, reach: int) -> None:
    mask = np.random.default_rng(seed).random((9, 11)) < 0.1
    expected = mask
    for step in range(reach):
        expected = ndimage.binary_dilation(expected, SQUARE if step % 2 else CROSS)
    np.testing.assert_array_equal(grow(mask, reach), expected)
    np.testing.assert_array_equal(shrink(~mask, reach), ~expected)


@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_closing_adds_only_and_a_second_time_nothing(seed: int, reach: int) -> None:
    mask = np.random.default_rng(seed).random((12, 12)) < 0.2
    closed = close(mask, reach)
    assert not (mask & ~closed).any()
    np.testing.assert_array_equal(close(closed, reach), closed)


def test_closing_fills_a_notch_narrower_than_twice_its_reach() -> None:
    mask = np.ones((12, 20), bool)
    mask[6:, 5:8] = mask[6:, 12:19] = False  # 3 and 7 wide, open below
    closed = close(np.pad(mask, 6), 2)[6:-6, 6:-6]
    assert closed[:10, 5:8].all()  # but for the last corner
    assert not closed[9:, 13:18].any()


def test_inner_pixels_have_four_neighbours() -> None:
    mask = np.zeros((5, 5), bool)
    mask[1:4, 1:4] = True
    assert np.argwhere(inner(mask)).tolist() == [[2, 2]]


def test_holes_up_to_a_size_are_filled_and_what_is_open_to_the_border_is_not() -> None:
    mask = np.ones((8, 8), bool)
    mask[2, 2] = mask[4:6, 4:6] = mask[0, 6] = False
    assert (~fill_holes(mask, 1)).sum() == 5
    assert np.argwhere(~fill_holes(mask, 4)).tolist() == [[0, 6]]


def test_labels_at_the_border() -> None:
    assert at_border(np.array([[0, 0, 3], [0, 2, 0], [1, 0, 0]])).tolist() == [0, 1, 3]


@pytest.mark.parametrize("voxels", [[(0, 1, 2)], [(1, 0, 3), (2, 4, 1)]])
def test_box_is_around_what_is_there(voxels: list[tuple[int, int, int]]) -> None:
    mask = np.zeros((3, 5, 4), bool)
    mask[tuple(np.transpose(voxels))] = True
    low, high = np.min(voxels, axis=0), np.max(voxels, axis=0) + 1
    assert bounding_box(mask) == tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    assert bounding_box(np.zeros((2, 2, 2), bool)) is None
