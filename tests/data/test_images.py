import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sightline.data.images import equalise, pad_to_square, resize, to_unit
from sightline.errors import DataError


def test_pixels_are_scaled_by_their_type_or_by_the_range_given() -> None:
    np.testing.assert_array_equal(to_unit(np.asarray([[0, 255]], np.uint8)), [[0, 1]])
    np.testing.assert_array_equal(to_unit(np.asarray([[0, 65535]], np.uint16)), [[0, 1]])
    scaled = to_unit(np.asarray([[-2000, -1000, -300, 400]], np.float32), value_range=(-1000, 400))
    np.testing.assert_allclose(scaled, [[0, 0, 0.5, 1]])


def test_float_pixels_beyond_one_need_a_range() -> None:
    with pytest.raises(DataError, match=r"^x.npy: pixels from -1000 to 400; say their value_range in cohort.yaml$"):
        to_unit(np.asarray([[-1000, 400]], np.float32), name="x.npy")


def test_equalising_gives_the_worked_example() -> None:
    # eight pixels, cdf 1 3 6 8 at the four values, so (cdf - 1) / 7
    pixels = np.asarray([[10, 20, 20, 90], [90, 90, 200, 200]], np.uint8)
    np.testing.assert_allclose(equalise(to_unit(pixels)) * 7, [[0, 2, 2, 5], [5, 5, 7, 7]], atol=1e-6)


def test_equalising_an_image_of_one_value_leaves_it() -> None:
    np.testing.assert_array_equal(equalise(np.full((2, 2), 0.25, np.float32)), 0.25)


@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_equalising_keeps_the_order_of_brightness(pixels: np.ndarray) -> None:
    equalised = equalise(to_unit(pixels)).ravel()
    order = np.argsort(pixels.ravel(), kind="stable")
    assert (np.diff(equalised[order]) >= 0).all()
    assert 0 <= equalised.min() <= equalised.max() <= 1


def test_padding_centres_the_image_on_black() -> None:
    np.testing.assert_array_equal(
        pad_to_square(np.ones((1, 4), np.uint8)), [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    )
    assert pad_to_square(np.ones((5, 2, 3))).shape == (5, 5, 3)


def test_shrinking_averages_over_all_pixels() -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2).astype(np.float32)
    np.testing.assert_allclose(resize(board, 8), 0.5, atol=0.02)
    assert resize(np.ones((9, 6, 3), np.float32), 4).shape == (4, 4, 3)
