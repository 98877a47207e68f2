from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.data.readers.picture import picture_size, read_picture
from sightline.errors import DataError

Save = Callable[[Path, np.ndarray], Path]


def read(path: Path, *, colour: bool = False) -> np.ndarray:
    return read_picture(path, colour=colour, name=path.name)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_pixels_come_back_as_they_are(tmp_path: Path, save: Save, suffix: str, dtype: type) -> None:
    pixels = (np.arange(12).reshape(3, 4) * 20).astype(dtype)
    pixels[0, 0] = np.iinfo(dtype).max
    file = save(tmp_path / f"x{suffix}", pixels)
    assert read(file).dtype == dtype
    np.testing.assert_array_equal(read(file), pixels)
    assert picture_size(file, name="x") == (3, 4)


def test_jpeg_pixels_come_back_nearly(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(tmp_path / "x.jpeg", quality=95)
    np.testing.assert_allclose(read(tmp_path / "x.jpeg"), 77, atol=1)


def test_colour_is_kept_or_made_grey_by_its_luma(tmp_path: Path, save: Save) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[..., 1] = 100
    file = save(tmp_path / "x.png", pixels)
    np.testing.assert_array_equal(read(file, colour=True), pixels)
    np.testing.assert_array_equal(read(file), 59)  # 0.587 * 100


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "1"])
def test_other_modes_are_read_as_grey(tmp_path: Path, mode: str) -> None:
    Image.new("L", (3, 2), 255).convert(mode).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read(tmp_path / "x.png"), np.full((2, 3), 255))


def test_a_tiff_of_one_page_is_read_and_of_several_refused(tmp_path: Path) -> None:
    page = Image.new("L", (3, 2), 9)
    page.save(tmp_path / "one.tif", save_all=True)
    np.testing.assert_array_equal(read(tmp_path / "one.tif"), 9)
    page.save(tmp_path / "three.tif", save_all=True, append_images=[page, page])
    with pytest.raises(DataError, match=r"^three.tif: a TIFF of 3 pages; save the one to use as a file of its own$"):
        read(tmp_path / "three.tif")


def test_bytes_that_are_no_image_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("hello")
    for reader in (read, lambda path: picture_size(path, name=path.name)):
        with pytest.raises(
            DataError, match=r"^x.png: unreadable or truncated image \(cannot identify image file 'x.png"
        ):
            reader(tmp_path / "x.png")


def test_postscript_is_not_handed_to_ghostscript(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n")
    with pytest.raises(DataError, match="cannot identify image file"):
        read_picture(tmp_path / "x.png", colour=False, name="x.png")


@pytest.mark.parametrize(
    ("sides", "words"),
    [((20_000, 20_000), "at most 134217728 are read"), ((9_000, 9_000), "truncated image .declares")],
)
def test_an_image_that_declares_more_than_it_can_hold_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sides: tuple[int, int], words: str
) -> None:
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(tmp_path / "x.bmp")
    data = bytearray((tmp_path / "x.bmp").read_bytes())
    data[18:26] = np.array(sides, "<i4").tobytes()
    (tmp_path / "x.bmp").write_bytes(data)
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("it was decoded"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # Pillow's own limit
    with pytest.raises(DataError, match=words):
        read_picture(tmp_path / "x.bmp", colour=False, name="x.bmp")
