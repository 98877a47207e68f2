import builtins
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.data.images import equalise
from sightline.data.intensity import between_percentiles, equalise_locally, standardise
from sightline.errors import MissingExtraError

NOISE = np.random.default_rng(0).normal(0.4, 0.1, (40, 56)).clip(0, 1).astype(np.float32)
COLOUR = np.random.default_rng(1).random((9, 7, 3)).astype(np.float32)


def test_percentiles_become_black_and_white_as_worked_by_hand() -> None:
    pixels = np.arange(11, dtype=np.float32).reshape(1, 11) / 20
    expected = (np.arange(11) - 1) / 8  # the 10th and 90th percentile are the second and the last but one
    np.testing.assert_allclose(between_percentiles(pixels, (10, 90))[0], expected.clip(0, 1), atol=1e-6)


@pytest.mark.parametrize("percentiles", [(0, 100), (1, 99), (5, 99.5), (0, 37.5)])
@pytest.mark.parametrize("pixels", [NOISE, COLOUR])
def test_percentiles_follow_the_formula_of_monai(pixels: np.ndarray, percentiles: tuple[float, float]) -> None:
    # ScaleIntensityRangePercentiles(lower, upper, b_min=0, b_max=1, clip=True) of the whole array
    low, high = np.percentile(pixels, percentiles[0]), np.percentile(pixels, percentiles[1])
    expected = np.clip((pixels - low) / (high - low), 0, 1)
    made = between_percentiles(pixels, percentiles)
    np.testing.assert_allclose(made, expected, atol=1e-6)
    assert made.dtype == np.float32


def test_where_both_percentiles_are_one_value_what_is_above_becomes_white() -> None:
    pixels = np.zeros((10, 10), np.float32)
    assert not between_percentiles(pixels, (1, 99)).any()
    pixels[0, 0] = 0.2
    np.testing.assert_array_equal(between_percentiles(pixels, (1, 90)), pixels > 0)


@pytest.mark.parametrize("clip_limit", [0.01, 0.0078, 0.5])
def test_clahe_is_that_of_scikit_image(clip_limit: float) -> None:
    exposure = pytest.importorskip("skimage.exposure")
    made = equalise_locally(NOISE, clip_limit=clip_limit)
    np.testing.assert_array_equal(made, exposure.equalize_adapthist(NOISE, clip_limit=clip_limit).astype(np.float32))
    assert made.dtype == np.float32
    assert (made.min(), made.max()) == (0, 1)


def test_clahe_brings_out_what_is_faint_in_a_dark_corner() -> None:
    pytest.importorskip("skimage")
    pixels = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    pixels[:16, :16] = 0.02 * (np.indices((16, 16)).sum(axis=0) % 2)
    local = equalise_locally(pixels, clip_limit=0.5)[:16, :16].std()
    assert local > 2 * pixels[:16, :16].std()
    assert local > 2 * equalise_locally(pixels, clip_limit=0.001)[:16, :16].std()


def test_an_image_of_one_value_stays_as_it_is() -> None:
    pytest.importorskip("skimage")
    grey = np.full((16, 16), 0.3, np.float32)
    np.testing.assert_array_equal(equalise_locally(grey), grey)
    np.testing.assert_array_equal(equalise(grey), grey)
    np.testing.assert_array_equal(standardise(grey), np.full((16, 16), 0.5, np.float32))


def test_clahe_without_scikit_image_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("skimage"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        MissingExtraError, match=r"^equalise: clahe needs scikit-image: pip install 'sightline\[image\]'$"
    ):
        equalise_locally(NOISE)


def test_the_z_score_as_worked_by_hand() -> None:
    pixels = np.asarray([[1.0, 3.0], [1.0, 3.0]]) / 10  # mean 0.2, standard deviation 0.1
    np.testing.assert_allclose(standardise(pixels), [[0.4, 0.6], [0.4, 0.6]], atol=1e-6)
    region = np.asarray([[1, 0], [1, 0]])  # of one value: its standard deviation of 0 counts as 1
    np.testing.assert_allclose(standardise(pixels, region), [[0.5, 0.52], [0.5, 0.52]], atol=1e-6)


@pytest.mark.parametrize("pixels", [NOISE, COLOUR])
@pytest.mark.parametrize("inside", [False, True])
def test_the_z_score_follows_the_formula_of_monai(pixels: np.ndarray, inside: bool) -> None:
    # NormalizeIntensity() of the whole array, and of the values that its `nonzero` would take
    region = np.random.default_rng(2).random(pixels.shape[:2]) < 0.3
    told = pixels[region].astype(np.float64) if inside else pixels.astype(np.float64)
    expected = (pixels - told.mean()) / told.std()
    found = 10 * standardise(pixels, region if inside else None) - 5
    np.testing.assert_allclose(found, expected.clip(-5, 5), atol=1e-5)


@given(st.floats(0.01, 1), st.floats(-1, 1))
@settings(max_examples=50)
def test_the_z_score_knows_neither_scale_nor_offset(scale: float, offset: float) -> None:
    np.testing.assert_allclose(standardise(NOISE * scale + offset), standardise(NOISE), atol=1e-4)


def test_what_lies_far_out_is_cut_off() -> None:
    pixels = np.zeros((100, 100), np.float32)
    pixels[0, 0] = 1
    assert standardise(pixels)[0, 0] == 1
    assert standardise(1 - pixels)[0, 0] == 0
