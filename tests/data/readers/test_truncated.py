"""A file cut off anywhere is a `DataError`, or gives what the whole file gives."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from sightline.data.readers import read_about, read_mask, read_pixels, read_volume
from sightline.errors import DataError

NOISE = np.random.default_rng(0).integers(0, 256, (24, 20), dtype=np.uint8)
DICOM = (
    *("CT_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"),
    *("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_jpeg_dcmtk.dcm", "image_dfl.dcm", "ExplVR_BigEnd.dcm", "liver_1frame.dcm"),
)
pytestmark = pytest.mark.filterwarnings("ignore")  # of pydicom, nibabel and Pillow, about what is missing


def offsets(length: int) -> list[int]:
    """Every few bytes of the beginning, then at random, then of the end."""
    within = np.random.default_rng(1).integers(0, length, 20)
    return sorted({*range(0, min(length, 600), 37), *within.tolist(), *(length - n for n in (1, 2, 3, 8, 20))} - {-1})


def check(file: Path, read: Callable[[Path], object]) -> None:
    whole, expected = file.read_bytes(), read(file)
    failed = 0
    for offset in offsets(len(whole)):
        file.write_bytes(whole[: max(offset, 0)])
        try:
            values = read(file)
        except DataError as error:
            failed += 1
            assert str(error).startswith(file.name)  # noqa: PT017
            assert str(file.parent) not in str(error)  # noqa: PT017
        else:
            np.testing.assert_array_equal(values, expected)  # type: ignore[arg-type]
    assert failed > 10


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "npy", "npz", "nii", "nii.gz"])
def test_images(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"x.{suffix}"
    if suffix.startswith("np"):
        (np.save if suffix == "npy" else np.savez_compressed)(file, NOISE)  # type: ignore[operator]
    elif suffix.startswith("nii"):
        nibabel.save(nibabel.Nifti1Image(NOISE[..., None], np.eye(4)), file)
    else:
        Image.fromarray(NOISE).save(file)
    check(file, read_pixels)


@pytest.mark.parametrize("name", DICOM)
def test_dicom(tmp_path: Path, name: str) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"{name} does not come with this pydicom")
    file = tmp_path / "x.dcm"
    file.write_bytes(Path(str(path)).read_bytes())
    check(file, read_pixels)


def test_headers_of_dicom_with_any_byte_changed(tmp_path: Path) -> None:
    whole = Path(str(get_testdata_file("CT_small.dcm", download=False))).read_bytes()
    generator = np.random.default_rng(2)
    for _ in range(60):
        changed = bytearray(whole)
        for place in generator.integers(132, 6000, 20):
            changed[place] = generator.integers(256)
        (tmp_path / "x.dcm").write_bytes(changed)
        for read in (read_pixels, read_about):
            try:
                read(tmp_path / "x.dcm")  # type: ignore[operator]
            except DataError as error:
                assert "x.dcm" in str(error)  # noqa: PT017


def test_volumes(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 99, (4, 5, 6), dtype=np.int16)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "x.nii.gz")
    check(tmp_path / "x.nii.gz", lambda file: read_volume(file).values)


def test_masks_of_outlines(tmp_path: Path) -> None:
    shapes = [{"label": "a", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}] * 8
    (tmp_path / "x.json").write_text(json.dumps({"imageHeight": 24, "imageWidth": 20, "shapes": shapes}))
    check(tmp_path / "x.json", read_mask)


def test_slices_of_a_scan(tmp_path: Path, write_dicom: Callable[..., Path]) -> None:
    for number in range(3):
        plane = {"ImagePositionPatient": [0, 0, number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        write_dicom(tmp_path / "scan" / f"{number}.dcm", NOISE, PixelSpacing=[1, 1], **plane)
    whole = (tmp_path / "scan" / "1.dcm").read_bytes()
    for offset in offsets(len(whole)):
        (tmp_path / "scan" / "1.dcm").write_bytes(whole[:offset])
        with pytest.raises(DataError, match=r"^scan(/1.dcm)?: "):
            read_volume(tmp_path / "scan")
