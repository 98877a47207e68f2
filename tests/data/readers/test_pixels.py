from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from sightline.data.readers.pixels import read_pixels, read_unit
from sightline.data.readers.rendering import Rendering
from sightline.errors import DataError, DataNotFoundError

Save = Callable[[Path, np.ndarray], Path]
WriteDicom = Callable[..., Path]
RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4)


def test_every_kind_of_file_gives_the_same_image(tmp_path: Path, save: Save, write_dicom: WriteDicom) -> None:
    nibabel.save(nibabel.Nifti1Image(RAMP.T, np.diag([-1.0, -1, 1, 1])), tmp_path / "x.nii.gz")
    np.savez(tmp_path / "x.npz", a=RAMP, b=RAMP + 1)
    files = [save(tmp_path / f"x{suffix}", RAMP) for suffix in (".png", ".tif", ".bmp", ".npy", ".PNG")]
    for file in (*files, tmp_path / "x.nii.gz", tmp_path / "x.npz#a"):
        np.testing.assert_array_equal(read_pixels(file), RAMP)
        np.testing.assert_allclose(read_unit(file), RAMP / 255, rtol=1e-6)
    for name in ("x.dcm", "x.DICOM", "x", "x.1.2.3", "x.jpg"):  # the last by its content
        np.testing.assert_allclose(read_pixels(write_dicom(tmp_path / name, RAMP)), RAMP / 255, rtol=1e-6)


def test_a_rendering_holds_for_dicom(tmp_path: Path, write_dicom: WriteDicom) -> None:
    file = write_dicom(tmp_path / "x.dcm", RAMP, RescaleSlope=2, RescaleIntercept=-10)
    np.testing.assert_array_equal(read_pixels(file, rendering=Rendering(window=None)), RAMP * 2.0 - 10)


@pytest.mark.parametrize("polarity", [1, 2])
def test_a_value_range_is_a_window_on_what_was_measured(tmp_path: Path, write_dicom: WriteDicom, polarity: int) -> None:
    tags = {"RescaleSlope": 100, "RescaleIntercept": -1000, "WindowCenter": 1, "WindowWidth": 2}
    file = write_dicom(tmp_path / "x.dcm", RAMP, **tags, PhotometricInterpretation=f"MONOCHROME{polarity}")
    expected = np.clip((RAMP * 100.0 - 400) / 400, 0, 1)  # from -600 to -200
    unit = read_unit(file, value_range=(-600, -200))
    np.testing.assert_allclose(unit, expected if polarity == 2 else 1 - expected, atol=1e-6)


def test_a_value_range_holds_for_other_files_as_ever(tmp_path: Path, save: Save) -> None:
    file = save(tmp_path / "x.npy", RAMP.astype(np.float32) * 100 - 600)
    np.testing.assert_allclose(read_unit(file, value_range=(-600, -200)), np.clip(RAMP / 4, 0, 1))
    with pytest.raises(DataError, match=r"^x.npy: pixels from -600 to 500; say their value_range in cohort.yaml$"):
        read_unit(file)


def test_colour_of_dicom_takes_no_window(tmp_path: Path, write_dicom: WriteDicom) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 2, 3), dtype=np.uint8)
    file = write_dicom(tmp_path / "x.dcm", pixels)
    np.testing.assert_allclose(read_unit(file, colour=True, value_range=(0, 10)), pixels / 255, rtol=1e-6)


def test_a_missing_image_is_an_error_of_its_own_kind(tmp_path: Path) -> None:
    for name in ("x.png", "x.dcm", "x.nii.gz", "x.npz#a"):
        for reader in (read_pixels, read_unit):
            with pytest.raises(DataNotFoundError, match=rf"^a/{name}: no such image file$"):
                reader(tmp_path / name, name=f"a/{name}")  # type: ignore[operator]


def test_a_part_is_for_arrays_only(tmp_path: Path, save: Save) -> None:
    save(tmp_path / "x.png", RAMP)
    with pytest.raises(DataError, match=r"^x.png#1: only .npz images have parts; leave out '#1'$"):
        read_pixels(tmp_path / "x.png#1")


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_counted(tmp_path: Path, save: Save, suffix: str, value: float) -> None:
    pixels = np.ones((3, 4), np.float32)
    pixels[0, :2] = value
    with pytest.raises(DataError, match=rf"^x{suffix}: 2 of 12 pixels are NaN or infinite$"):
        read_pixels(save(tmp_path / f"x{suffix}", pixels))


def test_an_image_without_pixels_is_told(tmp_path: Path, save: Save) -> None:
    with pytest.raises(DataError, match=r"^x.npy: image without pixels, \(0, 4\)$"):
        read_pixels(save(tmp_path / "x.npy", RAMP[:0]))
