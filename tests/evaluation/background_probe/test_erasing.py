import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.morphology import convex_hull_image

from sightline.evaluation.background_probe.erasing import coverage, frame, hidden_area, seen_only


def region_of(*cells: tuple[int, int], side: int = 8) -> np.ndarray:
    region = np.zeros((side, side), bool)
    for row, column in cells:
        region[row, column] = True
    return region


def test_what_is_hidden_is_the_outline_the_hull_or_the_box() -> None:
    region = region_of((1, 1), (5, 1), (5, 5))
    assert np.array_equal(hidden_area(region, shape="outline", margin=0), region)
    hull = hidden_area(region, shape="hull", margin=0)
    assert np.array_equal(hull[1:6, 1:6], np.tril(np.ones((5, 5), bool)))
    assert hull.sum() == 15
    box = hidden_area(region, shape="box", margin=0)
    assert box.sum() == 25
    assert box[1:6, 1:6].all()


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=3, max_size=12))
def test_the_hull_is_that_of_scikit_image(cells: list[tuple[int, int]]) -> None:
    region = region_of(*cells, side=16)
    if np.linalg.matrix_rank(np.argwhere(region) - np.argwhere(region)[0]) < 2:
        return  # on a line: the box
    expected = convex_hull_image(region, offset_coordinates=False)
    assert np.array_equal(hidden_area(region, shape="hull", margin=0), expected)


@pytest.mark.parametrize("shape", ["outline", "hull", "box"])
@given(
    cells=st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=1, max_size=8), margin=st.floats(0, 0.3)
)
def test_the_region_is_always_hidden_and_grows_with_the_margin(
    shape: str, cells: list[tuple[int, int]], margin: float
) -> None:
    region = region_of(*cells, side=16)
    area = hidden_area(region, shape=shape, margin=margin)
    assert area[region].all()
    assert (area | hidden_area(region, shape=shape, margin=0))[area].all()
    rows, columns = np.indices(region.shape)
    row, column = cells[0]
    assert area[(rows - row) ** 2 + (columns - column) ** 2 <= (16 * margin) ** 2].all()


def test_an_empty_region_hides_nothing() -> None:
    assert not hidden_area(np.zeros((4, 4), bool), shape="hull", margin=0.1).any()


def test_a_frame_is_the_outer_pixels() -> None:
    assert frame(10, 0.1).sum() == 36
    assert frame(10, 0.2)[:2].all()
    assert not frame(10, 0.2)[2:8, 2:8].any()
    assert frame(10, 0.0).sum() == 36, "at least one pixel"


def test_nothing_of_what_is_hidden_is_left() -> None:
    generator = np.random.default_rng(0)
    image, seen = generator.random((16, 16)), generator.random((16, 16)) < 0.6
    other = np.where(seen, image, generator.random((16, 16)) * 100)
    assert np.array_equal(seen_only(image, seen, 4), seen_only(other, seen, 4))


def test_cells_are_standardised_means_of_what_is_seen() -> None:
    image = np.arange(16.0).reshape(4, 4)
    seen = np.ones((4, 4), bool)
    seen[:2, :2] = False
    seen[2, 0] = False
    small = seen_only(image, seen, 2)
    values = image[seen]
    expected = np.asarray([[values.mean(), 4.5], [(9 + 12 + 13) / 3, 12.5]])
    np.testing.assert_allclose(small, (expected - values.mean()) / values.std(), rtol=1e-6)
    np.testing.assert_array_equal(coverage(seen, 2), [[0, 1], [0.75, 1]])


@given(st.floats(0.1, 10), st.floats(-5, 5))
def test_brightness_and_contrast_do_not_count(gain: float, offset: float) -> None:
    generator = np.random.default_rng(1)
    image, seen = generator.random((8, 8)), generator.random((8, 8)) < 0.5
    np.testing.assert_allclose(seen_only(image, seen, 4), seen_only(gain * image + offset, seen, 4), atol=1e-5)


def test_an_image_of_one_value_has_nothing_to_tell() -> None:
    assert not seen_only(np.full((8, 8), 3.0), np.ones((8, 8), bool), 4).any()
    assert not seen_only(np.ones((8, 8)), np.zeros((8, 8), bool), 4).any()
