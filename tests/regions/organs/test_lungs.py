import numpy as np
import pytest

from sightline.regions.organs import segment_lungs_of_paper
from sightline.regions.organs.lungs import clear_border, keep_two_largest, remove_small


def section(*rows: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in rows])


def test_what_touches_the_border_is_cleared_also_by_a_corner() -> None:
    air = section("......", ".#..#.", "..#...", "...#..", "....##", ".#....", "......")
    kept = section("......", "....#.", "......", "......", "......", ".#....", "......")
    np.testing.assert_array_equal(clear_border(air), kept)


def test_two_largest_stay_and_so_do_those_as_large_as_the_second() -> None:
    air = section("###.##.#", "###.....", "......##", "##......")
    np.testing.assert_array_equal(keep_two_largest(air), section("###.##..", "###.....", "......##", "##......"))
    assert keep_two_largest(section("##.#")).sum() == 3


def test_one_part_stays_so_a_trachea_alone_in_its_section_is_not_removed_here() -> None:
    air = section("....", ".##.", "....")
    np.testing.assert_array_equal(keep_two_largest(air), air)


def test_small_parts_of_a_volume_are_removed_and_corners_do_not_join() -> None:
    mask = np.zeros((3, 3, 3), bool)
    mask[0, 0] = True
    mask[1, 1, 0] = mask[2, 2, 2] = True
    np.testing.assert_array_equal(np.flatnonzero(remove_small(mask, 3)), [0, 1, 2])
    assert remove_small(mask, 1).sum() == 5
    assert not remove_small(mask, 4).any()


def test_smallest_volume_is_in_cubic_millimetres() -> None:
    hu = np.zeros((4, 8, 8))
    hu[1:3, 2:6, 2:6] = -800  # 32 voxels
    assert segment_lungs_of_paper(hu, (2, 1, 1), least_volume_mm3=64).sum() == 32
    assert not segment_lungs_of_paper(hu, (2, 1, 1), least_volume_mm3=65).any()


def test_threshold_is_below_minus_300() -> None:
    hu = np.zeros((1, 5, 6))
    hu[0, 2, 1:5] = (-299, -300, -300.5, -301)
    assert segment_lungs_of_paper(hu, (1, 1, 1), least_volume_mm3=1)[0, 2].tolist() == [False] * 3 + [True] * 2 + [
        False
    ]


def test_steps_equal_those_of_scikit_image() -> None:
    measure, morphology = pytest.importorskip("skimage.measure"), pytest.importorskip("skimage.morphology")
    segmentation = pytest.importorskip("skimage.segmentation")
    rng = np.random.default_rng(0)
    air = rng.random((6, 24, 24)) < 0.42
    for one in air:
        cleared = clear_border(one)
        np.testing.assert_array_equal(cleared, segmentation.clear_border(one))
        labels = measure.label(cleared)
        areas = sorted(region.area for region in measure.regionprops(labels))
        for region in measure.regionprops(labels):
            if len(areas) > 2 and region.area < areas[-2]:
                labels[labels == region.label] = 0
        np.testing.assert_array_equal(keep_two_largest(cleared), labels > 0)
    np.testing.assert_array_equal(remove_small(air, 30), morphology.remove_small_objects(air, max_size=29))
