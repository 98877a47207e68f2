import numpy as np
import pytest

from sightline.regions.organs.halves import body_midline, split_at_middle, split_by_parts


def boxes(*columns: slice, width: int = 40) -> np.ndarray:
    lungs = np.zeros((12, 16, width), bool)
    for place in columns:
        lungs[1:11, 2:14, place] = True
    return lungs


@pytest.mark.parametrize("width", [40, 41])
def test_middle_cuts_the_volume_at_half_its_columns(width: int) -> None:
    codes = split_at_middle(boxes(slice(4, 36), width=width))
    assert codes.dtype == np.uint8
    assert (codes[1:11, 2:14, 4:20] == 1).all()
    assert (codes[1:11, 2:14, 20:36] == 3).all()
    assert np.count_nonzero(codes) == 10 * 12 * 32


def test_a_lung_that_reaches_over_the_midline_stays_whole() -> None:
    codes = split_by_parts(boxes(slice(2, 22), slice(24, 36)), 19.5, (3, 3, 3))
    assert set(np.unique(codes[:, :, :23])) == {0, 1}
    assert set(np.unique(codes[:, :, 23:])) == {0, 3}


def test_lungs_that_touch_are_cut_at_their_waist() -> None:
    lungs = boxes(slice(2, 17), slice(21, 36))
    lungs[5:7, 4:6, 17:21] = True  # a bridge of two voxels' height
    codes = split_by_parts(lungs, 16.0, (3, 3, 3))
    assert (codes[1:11, 2:14, 2:17] == 1).all()
    assert (codes[1:11, 2:14, 21:36] == 3).all()
    assert np.count_nonzero(codes) == lungs.sum()


def test_lungs_without_a_waist_are_cut_at_the_midline() -> None:
    codes = split_by_parts(boxes(slice(4, 36)), 17.5, (3, 3, 3))
    assert (codes[1:11, 2:14, 4:18] == 1).all()
    assert (codes[1:11, 2:14, 18:36] == 3).all()


def test_one_lung_has_the_side_it_lies_on() -> None:
    for place, code in ((slice(3, 17), 1), (slice(10, 36), 3)):  # the latter reaches over, as beside a missing lung
        assert set(np.unique(split_by_parts(boxes(place), 18.0, (3, 3, 3)))) == {0, code}


def test_no_lung_gives_no_code() -> None:
    assert not split_by_parts(np.zeros((3, 4, 5), bool), 2.0, (1, 1, 1)).any()


def test_midline_is_the_centre_of_the_body_in_slices_with_lung() -> None:
    hu = np.full((3, 6, 20), -1000.0)
    hu[:2, :, 4:15] = 40
    hu[2, :, 15:] = 40  # a slice without lung
    lungs = np.zeros(hu.shape, bool)
    lungs[:2, 2:4, 5:8] = True
    hu[lungs] = -850
    assert body_midline(hu, lungs, -400) == 9.0
