import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from sightline.reporting.colours import LEVELS, OPACITY, Kind, colour_table, map_levels, map_png, over_ground

KINDS: tuple[Kind, ...] = ("signed", "unsigned")
# Machado, Oliveira & Fernandes 2009, doi:10.1109/TVCG.2009.113, severity 1, for linear light
SEEN_BY = {
    "everybody": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def seen(colours: NDArray[np.uint8], reader: str) -> NDArray[np.float64]:
    """Colours `(n, 3)` as a reader sees them, in CIELAB."""
    shown = colours / 255
    linear = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ SEEN_BY[reader].T, 0, 1)
    back = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(back))


@pytest.mark.parametrize("reader", SEEN_BY)
def test_the_two_signs_are_told_apart_by_every_reader(reader: str) -> None:
    lab = seen(over_ground("signed"), reader)
    half = LEVELS // 2
    for step in range(half // 4, half + 1):  # from a quarter of full colour on
        apart = deltaE_ciede2000(lab[half - step], lab[half + step])
        assert apart > 30 * step / half, step
    assert deltaE_ciede2000(lab[0], lab[-1]) > 40


@pytest.mark.parametrize("reader", SEEN_BY)
def test_lightness_of_signed_maps_falls_from_zero_to_either_end_and_falls_alike(reader: str) -> None:
    lightness = seen(over_ground("signed"), reader)[:, 0]
    half = LEVELS // 2
    for side in (lightness[half:], lightness[half::-1]):
        assert (np.diff(side) < 0.2).all()  # colours are whole numbers
        assert side[0] - side[-1] > 40
        assert np.abs(np.diff(side[::16])).min() > 1
    if reader == "everybody":
        assert np.abs(lightness - lightness[::-1]).max() < 8


@pytest.mark.parametrize("reader", SEEN_BY)
def test_lightness_of_maps_without_a_sign_rises_in_even_steps(reader: str) -> None:
    lightness = seen(over_ground("unsigned"), reader)[:, 0]
    steps = np.diff(lightness[:: LEVELS // 8])
    assert (steps > 0).all()
    assert steps.max() < 3 * steps.min()
    assert lightness[0] == 0
    assert lightness[-1] > 80


@pytest.mark.parametrize("kind", KINDS)
def test_zero_is_transparent_and_opacity_grows_with_the_magnitude(kind: Kind) -> None:
    alpha = colour_table(kind)[:, 3].astype(int)
    zero = LEVELS // 2 if kind == "signed" else 0
    assert alpha[zero] == 0
    assert (np.diff(alpha[zero:]) >= 0).all()
    assert alpha[-1] == pytest.approx(255 * OPACITY, abs=3)
    if kind == "signed":
        np.testing.assert_array_equal(alpha, alpha[::-1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_reads_back_as_the_colours_of_its_levels(kind: Kind) -> None:
    levels = np.arange(LEVELS, dtype=np.uint8).reshape(15, 17)
    with Image.open(io.BytesIO(map_png(levels, kind))) as stored:
        assert stored.mode == "P"
        np.testing.assert_array_equal(np.asarray(stored.convert("RGBA")), colour_table(kind)[levels])


@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6))
def test_levels_keep_sign_and_order_and_do_not_depend_on_the_scale(seed: int, scale: float) -> None:
    signed = np.random.default_rng(seed).standard_normal((7, 9))
    levels = map_levels(signed, "signed", percentile=100).astype(int)
    assert np.abs(levels - map_levels(scale * signed, "signed", percentile=100)).max() <= 1
    np.testing.assert_allclose((levels - 127) / 127, signed / np.abs(signed).max(), atol=0.5 / 127 + 1e-9)
    np.testing.assert_array_equal(254 - levels, map_levels(-signed, "signed", percentile=100))


def test_levels_of_a_map_without_a_sign_by_hand() -> None:
    levels = map_levels(np.array([[0.0, 0.5], [1.0, -1.0]]), "unsigned", percentile=100)
    np.testing.assert_array_equal(levels, [[0, 127], [254, 0]])


def test_a_map_of_zeros_is_zero_all_over() -> None:
    assert (map_levels(np.zeros((3, 4, 4)), "signed") == LEVELS // 2).all()
    assert (map_levels(np.zeros((4, 4)), "unsigned") == 0).all()


def test_large_maps_are_averaged_to_the_side_asked_for() -> None:
    wide = np.kron(np.array([[1.0, -1.0]]), np.ones((64, 128)))
    levels = map_levels(wide, "signed", side=32)
    assert levels.shape == (8, 32)
    assert (levels[:, :15] == 254).all()
    assert (levels[:, 17:] == 0).all()
