import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from sightline.data.readers.nifti import load_nifti, read_nifti, read_nifti_image
from sightline.errors import DataError

AS_ITK = np.diag([-1.0, -1, 1, 1])  # the first axis leads to the left, the second to the back


def save(path: Path, values: np.ndarray, affine: np.ndarray = AS_ITK, **slope: float) -> Path:
    image = nibabel.Nifti1Image(values, affine)
    if slope:
        image.header.set_slope_inter(**slope)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_slice_is_an_image_with_its_first_axis_along_the_columns(tmp_path: Path, suffix: str, dtype: type) -> None:
    pixels = np.arange(12).reshape(3, 4).astype(dtype)
    for values in (pixels.T, pixels.T[..., None], pixels.T[..., None, None]):
        image = read_nifti_image(save(tmp_path / f"x{suffix}", values), name="x")
        assert image.dtype == dtype
        np.testing.assert_array_equal(image, pixels)


def test_a_slice_is_upright_whichever_way_it_is_stored(tmp_path: Path) -> None:
    pixels = np.arange(12).reshape(3, 4).astype(np.uint8)
    mirrored = save(tmp_path / "ras.nii", pixels.T[::-1, ::-1, None], np.eye(4))
    np.testing.assert_array_equal(read_nifti_image(mirrored, name="x"), pixels)
    upside_up = np.asarray([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])  # left, up, front
    coronal = save(tmp_path / "coronal.nii", pixels.T[:, ::-1, None], upside_up)
    np.testing.assert_array_equal(read_nifti_image(coronal, name="x"), pixels)


def test_values_are_rescaled_as_nibabel_does(tmp_path: Path) -> None:
    file = save(tmp_path / "x.nii", np.arange(24, dtype=np.int16).reshape(2, 3, 4), slope=2, inter=-1024)
    values = nibabel.as_closest_canonical(nibabel.load(file)).get_fdata()
    assert values.min() == -1024
    ours = read_nifti(file, name="x").values
    np.testing.assert_array_equal(ours, values.transpose(2, 1, 0)[::-1, ::-1, ::-1])


def test_a_volume_is_no_image_and_says_its_sizes(tmp_path: Path) -> None:
    file = save(tmp_path / "x.nii", np.zeros((2, 3, 4), np.uint8))
    with pytest.raises(DataError, match=r"^x: a volume of 2 x 3 x 4, not an image; use read_volume$"):
        read_nifti_image(file, name="x")


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (np.zeros((2, 3, 4, 5), np.uint8), r"must have three axes, got \(2, 3, 4, 5\)"),
        (np.zeros(4, np.uint8), "must have three axes"),
        (np.zeros((2, 2, 2), np.complex64), "must hold real numbers, got complex64"),
        (np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")]), "must hold real numbers"),
    ],
)
def test_other_contents_are_told(tmp_path: Path, values: np.ndarray, what: str) -> None:
    with pytest.raises(DataError, match=rf"^x: NIfTI file {what}"):
        load_nifti(save(tmp_path / "x.nii", values), name="x")


def test_an_affine_without_directions_is_refused(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((2, 3, 4), np.uint8), None)
    image.set_sform(np.diag([1.0, 1, 0, 1]), 1)
    nibabel.save(image, tmp_path / "x.nii")
    with pytest.raises(DataError, match=r"^x: the affine does not say where the axes lead$"):
        read_nifti(tmp_path / "x.nii", name="x")


def test_bytes_that_are_no_nifti_are_told_without_a_path(tmp_path: Path) -> None:
    (tmp_path / "x.nii").write_text("hello")
    with pytest.raises(DataError, match=r"^x: unreadable or truncated NIfTI file \(\w+\)$"):
        load_nifti(tmp_path / "x.nii", name="x")


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_a_header_that_announces_more_than_the_file_can_hold_is_not_believed(tmp_path: Path, suffix: str) -> None:
    image = nibabel.Nifti1Image(np.zeros((2, 3, 4), np.uint8), np.eye(4))
    image.header["dim"][1:4] = 32_000, 32_000, 32_000
    image.header["vox_offset"] = 352
    content = image.header.binaryblock + bytes(28)
    (tmp_path / f"x.{suffix}").write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    with pytest.raises(
        DataError, match=r"^x: unreadable or truncated NIfTI file \(\d+ bytes; its header announces 32768000000352\)$"
    ):
        load_nifti(tmp_path / f"x.{suffix}", name="x")


def test_a_volume_of_zeros_that_gzip_makes_tiny_is_read(tmp_path: Path) -> None:
    values, _ = load_nifti(save(tmp_path / "x.nii.gz", np.zeros((200, 200, 100), np.uint8)), name="x")
    assert values.shape == (200, 200, 100)
    assert not values.any()


def test_a_real_ct_is_that_of_nibabel(real: Path) -> None:
    for file in ("ct_cip_test/ct-64.nii.gz", "ct_totalsegmentator_examples/abdomen_3mm_small/ct.nii.gz"):
        theirs = nibabel.as_closest_canonical(nibabel.load(real / file))
        ours = read_nifti(real / file, name="x")
        np.testing.assert_allclose(ours.values, theirs.get_fdata().transpose(2, 1, 0)[::-1, ::-1, ::-1], rtol=1e-6)
        assert ours.spacing_mm == pytest.approx(theirs.header.get_zooms()[::-1], rel=1e-5)
