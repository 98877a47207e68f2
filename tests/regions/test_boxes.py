import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import DataError, ShapeError
from sightline.regions.boxes import coverage_of_boxes, mask_from_boxes

SIDES = st.floats(-3, 12, allow_nan=False)


def test_a_box_of_whole_pixels() -> None:
    expected = np.zeros((4, 5))
    expected[1:3, 2:5] = 1
    np.testing.assert_array_equal(mask_from_boxes([(2, 1, 3, 2)], (4, 5)), expected)
    np.testing.assert_array_equal(coverage_of_boxes([(2, 1, 3, 2)], (4, 5)), expected)


def test_a_pixel_counts_by_its_centre_or_by_its_share() -> None:
    box = (0.25, 0.5, 1.5, 0.5)  # of three columns 3/4, 3/4 and none, of the row a half
    np.testing.assert_array_equal(mask_from_boxes([box], (1, 3)), [[True, True, False]])
    np.testing.assert_allclose(coverage_of_boxes([box], (1, 3)), [[0.375, 0.375, 0]])
    np.testing.assert_array_equal(mask_from_boxes([(0.5, 0.5, 1, 1)], (2, 2)), [[True, False], [False, False]])


def test_boxes_are_united_and_cut_off_at_the_border() -> None:
    boxes = [(-5, -5, 6, 6), (2, 1, 99, 99)]
    expected = [[True, False, False], [False, False, True]]
    np.testing.assert_array_equal(mask_from_boxes(boxes, (2, 3)), expected)
    np.testing.assert_array_equal(coverage_of_boxes(boxes, (2, 3)), expected)
    assert not mask_from_boxes([(50, 50, 2, 2)], (2, 3)).any()
    assert not mask_from_boxes([], (2, 3)).any()


@given(SIDES, SIDES, st.floats(0, 9), st.floats(0, 9))
def test_coverage_adds_up_to_the_area_inside(left: float, top: float, width: float, height: float) -> None:
    inside = max(min(left + width, 7) - max(left, 0), 0) * max(min(top + height, 6) - max(top, 0), 0)
    share = coverage_of_boxes([(left, top, width, height)], (6, 7))
    assert share.dtype == np.float32
    np.testing.assert_allclose(share.sum(), inside, atol=1e-4)


@pytest.mark.parametrize("read", [mask_from_boxes, coverage_of_boxes])
def test_what_is_no_box_is_told(read: object) -> None:
    for box in [(0, 0, -1, 2), (0, np.nan, 1, 1), (np.inf, 0, 1, 1)]:
        with pytest.raises(DataError, match=r"^a box must have finite numbers, width and height of 0 or more, got \("):
            read([box], (2, 2))  # type: ignore[operator]
    with pytest.raises(ShapeError, match=r"^a box must be \(left, top, width, height\), got 3 numbers$"):
        read([(0, 0, 1)], (2, 2))  # type: ignore[operator]
