from pathlib import Path

import numpy as np
import pytest

from sightline.data.readers.arrays import luma, read_array, read_array_image
from sightline.errors import DataError

RAMP = np.arange(12).reshape(3, 4)


@pytest.mark.parametrize(("dtype", "read"), [("u1", "u1"), ("u2", "u2"), ("i2", "f4"), ("f8", "f4"), (">u2", "u2")])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_comes_back_as_it_is_or_as_float(tmp_path: Path, dtype: str, read: str, suffix: str) -> None:
    file = tmp_path / f"x{suffix}"
    (np.save if suffix == ".npy" else np.savez_compressed)(file, RAMP.astype(dtype))  # type: ignore[operator]
    values = read_array(file, name="x")
    assert values.dtype == np.dtype(read)
    np.testing.assert_array_equal(values, RAMP)
    np.testing.assert_array_equal(read_array_image(file, colour=False, name="x"), RAMP)


def test_a_mask_of_bool_becomes_black_and_white(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", RAMP > 5)
    np.testing.assert_array_equal(read_array(tmp_path / "x.npy", name="x"), (RAMP > 5) * 255)


def test_of_several_arrays_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    np.savez(file, chest=RAMP, scan=RAMP + 1)
    np.testing.assert_array_equal(read_array(file, part="scan", name="x.npz#scan"), RAMP + 1)
    with pytest.raises(DataError, match=r"^x.npz: 2 arrays; name one as x.npz#chest \(chest, scan\)$"):
        read_array(file, name="x.npz")
    with pytest.raises(DataError, match=r"^x.npz#chets: no array 'chets'; did you mean 'chest'\?; name one as"):
        read_array(file, part="chets", name="x.npz#chets")
    np.save(tmp_path / "x.npy", RAMP)
    with pytest.raises(DataError, match=r"^x.npy#a: has no parts, since .npy holds one array; leave out '#a'$"):
        read_array(tmp_path / "x.npy", part="a", name="x.npy#a")


def test_colour_is_kept_or_made_grey_by_its_luma(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[..., 1] = 100
    np.save(tmp_path / "x.npy", pixels)
    np.testing.assert_array_equal(read_array_image(tmp_path / "x.npy", colour=True, name="x"), pixels)
    np.testing.assert_array_equal(read_array_image(tmp_path / "x.npy", colour=False, name="x"), 59)  # 0.587 * 100
    np.testing.assert_allclose(luma(np.asarray([[[1.0, 0.5, 0.25]]], np.float32)), 0.299 + 0.587 / 2 + 0.114 / 4)


def test_an_image_with_one_channel_will_do_and_a_volume_not(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", RAMP[..., None])
    assert read_array_image(tmp_path / "x.npy", colour=False, name="x").shape == (3, 4)
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4, 5)))
    with pytest.raises(DataError, match=r"^x: array must be \(H, W\) or \(H, W, 3\), got \(2, 3, 4, 5\)"):
        read_array_image(tmp_path / "x.npy", colour=False, name="x")


@pytest.mark.parametrize("values", [np.asarray(["a"]), np.asarray([1j])])
def test_only_real_numbers_will_do(tmp_path: Path, values: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(DataError, match=r"^x: must hold real numbers, got "):
        read_array(tmp_path / "x.npy", name="x")


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asarray([{}]))
    with pytest.raises(DataError, match=r"^x: unreadable or truncated image \(Object arrays cannot be loaded"):
        read_array(tmp_path / "x.npy", name="x")
