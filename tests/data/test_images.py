from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from sightline.data.images import equalise, pad_to_square, read_pixels, resize, to_unit
from sightline.errors import DataError, DataNotFoundError

Save = Callable[[Path, np.ndarray], Path]
RAMP = np.arange(12).reshape(3, 4)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".npy"])
def test_8_bit_pixels_come_back_as_they_are(tmp_path: Path, save: Save, suffix: str) -> None:
    pixels = (RAMP * 20).astype(np.uint8)
    read = read_pixels(save(tmp_path / f"x{suffix}", pixels))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_16_bit_pixels_come_back_as_they_are(tmp_path: Path, save: Save, suffix: str) -> None:
    pixels = (RAMP * 5000).astype(np.uint16)
    read = read_pixels(save(tmp_path / f"x{suffix}", pixels))
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, pixels)


def test_jpeg_pixels_come_back_nearly(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(tmp_path / "x.jpeg", quality=95)
    np.testing.assert_allclose(read_pixels(tmp_path / "x.jpeg"), 77, atol=1)


def test_colour_is_kept_or_made_grey_by_its_luma(tmp_path: Path, save: Save) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[..., 1] = 100
    for file in (save(tmp_path / "x.png", pixels), save(tmp_path / "x.npy", pixels)):
        np.testing.assert_array_equal(read_pixels(file, colour=True), pixels)
        np.testing.assert_array_equal(read_pixels(file), 59)  # 0.587 * 100


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "1"])
def test_other_modes_are_read_as_grey(tmp_path: Path, mode: str) -> None:
    white = Image.new("L", (3, 2), 255).convert(mode)
    white.save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_pixels(tmp_path / "x.png"), np.full((2, 3), 255))


def test_a_missing_image_is_an_error_of_its_own_kind(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"^a/x.png: no such image file$"):
        read_pixels(tmp_path / "x.png", name="a/x.png")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Possibly corrupt EXIF", "ignore:Truncated File")
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".npy", ".tif"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_a_truncated_image_is_an_error(tmp_path: Path, save: Save, suffix: str, share: float) -> None:
    path = save(tmp_path / f"x{suffix}", np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=rf"^a/x{suffix}: unreadable or truncated image \(.+\)$") as caught:
        read_pixels(path, name=f"a/x{suffix}")
    assert str(tmp_path) not in str(caught.value)


def test_bytes_that_are_no_image_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("hello")
    with pytest.raises(DataError, match=r"^x.png: unreadable or truncated image \(cannot identify image file"):
        read_pixels(tmp_path / "x.png")


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_counted(tmp_path: Path, save: Save, suffix: str, value: float) -> None:
    pixels = np.ones((3, 4), np.float32)
    pixels[0, :2] = value
    with pytest.raises(DataError, match=rf"^x{suffix}: 2 of 12 pixels are NaN or infinite$"):
        read_pixels(save(tmp_path / f"x{suffix}", pixels))


def test_an_array_of_another_shape_is_an_error(tmp_path: Path, save: Save) -> None:
    with pytest.raises(DataError, match=r"array must be \(H, W\) or \(H, W, 3\), got \(2, 3, 4, 5\)"):
        read_pixels(save(tmp_path / "x.npy", np.zeros((2, 3, 4, 5))))


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
