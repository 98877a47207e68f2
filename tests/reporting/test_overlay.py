from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sightline.errors import DataError, ShapeError
from sightline.reporting.overlay import (
    AGAINST,
    FOR,
    heatmap_overlay,
    image_png,
    save_image,
    signed_map,
    symmetric_limit,
)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((20, 30))


def test_positive_relevance_is_red_and_negative_blue_where_they_lie(image: np.ndarray) -> None:
    attribution = np.zeros((3, 20, 30))
    attribution[:, 4, 5], attribution[:, 10, 20] = 1, -1
    picture = heatmap_overlay(image, attribution, percentile=100, opacity=1)
    np.testing.assert_array_equal(picture[4, 5], FOR)
    np.testing.assert_array_equal(picture[10, 20], AGAINST)
    untouched = np.ones((20, 30), dtype=bool)
    untouched[4, 5] = untouched[10, 20] = False
    grey = np.round(image * 255).astype(np.uint8)
    np.testing.assert_array_equal(picture[untouched], np.repeat(grey[untouched][:, None], 3, axis=1))


@pytest.mark.parametrize("more", [1, 3, 5])
def test_of_an_image_with_gaze_behind_it_the_image_is_shown(image: np.ndarray, more: int) -> None:
    channels = np.concatenate([image[None], np.random.default_rng(1).random((more, 20, 30))])
    np.testing.assert_array_equal(heatmap_overlay(channels), heatmap_overlay(image))


def test_a_map_of_zeros_leaves_the_image_grey(image: np.ndarray) -> None:
    np.testing.assert_array_equal(heatmap_overlay(image, np.zeros((1, 20, 30))), heatmap_overlay(image))
    picture = heatmap_overlay(image)
    assert (picture == picture[..., :1]).all()


def test_opacity_is_proportional_to_the_magnitude() -> None:
    attribution = np.array([[4.0, 2.0, -1.0, 0.0]])
    red, half, weak, none = heatmap_overlay(np.zeros((1, 4)), attribution, percentile=100, opacity=1)[0].astype(float)
    np.testing.assert_array_equal(red, FOR)
    np.testing.assert_allclose(half, np.array(FOR) / 2, atol=0.5)
    np.testing.assert_allclose(weak, np.array(AGAINST) / 4, atol=0.5)
    np.testing.assert_array_equal(none, 0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-6, 1e6))
def test_the_scale_of_the_map_does_not_matter(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    image, attribution = generator.random((8, 9)), generator.standard_normal((3, 8, 9))
    one, other = heatmap_overlay(image, attribution), heatmap_overlay(image, scale * attribution)
    assert np.abs(one.astype(int) - other).max() <= 1


def test_channels_are_summed_before_they_are_shown() -> None:
    attribution = np.zeros((2, 6, 6))
    attribution[0, 2, 2], attribution[1, 2, 2] = 5, -5
    assert not signed_map(attribution).any()


def test_limit_is_the_percentile_and_the_maximum_where_the_map_is_sparse() -> None:
    assert symmetric_limit(np.arange(-100.0, 101.0), 50) == 50
    sparse = np.zeros(1000)
    sparse[3] = -7
    assert symmetric_limit(sparse, 99.5) == 7
    assert symmetric_limit(np.zeros(4)) == 0


def test_outline_follows_the_edge_of_the_region_and_nothing_else() -> None:
    region = np.zeros((1, 60, 60))
    region[:, 15:45, 20:40] = 1
    picture = heatmap_overlay(np.full((60, 60), 0.5), None, region)
    yellow = np.ptp(picture.astype(int), axis=2) > 60
    assert yellow[15:45, 19:21].any(axis=1)[3:-3].all()
    assert yellow[14:16, 20:40].any(axis=0)[3:-3].all()
    inner, outer = np.zeros((2, 60, 60), dtype=bool)
    inner[19:41, 24:36] = True
    outer[11:49, 16:44] = True
    assert not yellow[inner].any()
    assert not yellow[~outer].any()


@pytest.mark.parametrize("value", [np.nan, 1.0, 0.0])
def test_a_region_without_an_edge_draws_no_outline(image: np.ndarray, value: float) -> None:
    np.testing.assert_array_equal(heatmap_overlay(image, None, np.full((20, 30), value)), heatmap_overlay(image))


def test_size_is_the_longest_side_and_the_shape_is_kept(image: np.ndarray) -> None:
    assert heatmap_overlay(image, np.ones((20, 30)), np.ones((20, 30)), size=90).shape == (60, 90, 3)
    assert heatmap_overlay(image, np.ones((20, 30)), size=15).shape == (10, 15, 3)


def test_smoothing_adds_up_neighbours_of_opposite_sign() -> None:
    attribution = np.indices((40, 40)).sum(axis=0) % 2 * 2.0 - 1  # a chequerboard
    attribution[18:22, 18:22] = 1
    picture = heatmap_overlay(np.zeros((40, 40)), attribution, smooth=0.05)
    assert picture[8, 8].max() < 30
    assert picture[20, 20, 0] > 150 > picture[20, 20, 2]


def test_eight_and_sixteen_bit_and_colour_images_look_alike() -> None:
    eight = np.array([[0, 51, 255]], dtype=np.uint8)
    sixteen = eight.astype(np.uint16) * 257
    np.testing.assert_array_equal(heatmap_overlay(eight)[..., 0], eight)
    np.testing.assert_array_equal(heatmap_overlay(sixteen)[..., 0], eight)
    np.testing.assert_array_equal(heatmap_overlay(np.stack([eight] * 3))[..., 0], eight)


def test_inputs_are_not_written_to(image: np.ndarray) -> None:
    attribution, before = np.random.default_rng(1).standard_normal((3, 20, 30)), image.copy()
    kept = attribution.copy()
    heatmap_overlay(image, attribution, image > 0.5, size=50, smooth=0.01)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(attribution, kept)


def test_wrong_shapes_and_values_are_named(image: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"attribution must have .*\(20, 30\), got \(7, 7\); .* upsample_to"):
        heatmap_overlay(image, np.ones((1, 7, 7)))
    with pytest.raises(ShapeError, match="region must have"):
        heatmap_overlay(image, None, np.ones((2, 20, 30)))
    with pytest.raises(ShapeError, match="image must be"):
        heatmap_overlay(np.zeros(4))
    with pytest.raises(ShapeError, match="attribution of one image"):
        heatmap_overlay(image, np.zeros((1, 3, 20, 30)))
    with pytest.raises(DataError, match="attribution holds NaN"):
        heatmap_overlay(image, np.full((20, 30), np.nan))
    with pytest.raises(DataError, match="image holds NaN"):
        heatmap_overlay(np.full((2, 2), np.inf))
    with pytest.raises(DataError, match="undo its normalisation"):
        heatmap_overlay(image * 4 - 2)


def test_saved_picture_reads_back_equal(image: np.ndarray, tmp_path: Path) -> None:
    picture = heatmap_overlay(image, image - 0.5)
    save_image(picture, tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as stored:
        np.testing.assert_array_equal(np.asarray(stored), picture)
    assert (tmp_path / "map.png").read_bytes() == image_png(picture)
    assert [path.name for path in tmp_path.iterdir()] == ["map.png"]
