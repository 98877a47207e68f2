import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from sightline.data.cohort import Case, Cohort
from sightline.data.prepared import ImageCache, Loader, Preprocessing
from sightline.data.readers.masks import read_mask
from sightline.data.readers.pixels import read_unit
from sightline.data.readers.volume import read_volume
from sightline.errors import DataError, DataNotFoundError
from sightline.regions.masks import region_from_mask

Save = Callable[[Path, np.ndarray], Path]
WriteDicom = Callable[..., Path]
MASK = np.arange(12).reshape(3, 4) % 5 == 1
LABELS = (np.arange(12).reshape(3, 4) % 4).astype(np.uint8)


def inside(path: Path, image: Path | None = None) -> np.ndarray:
    """What the rest of the package makes of a mask file."""
    found: np.ndarray = region_from_mask(read_mask(path, image=image, name=path.name))[0].numpy() > 0
    return found


@pytest.fixture
def film(tmp_path: Path, write_dicom: WriteDicom) -> Path:
    """A radiograph that is stored upside down."""
    pixels = np.where(MASK, 200, 10).astype(np.uint8)
    return write_dicom(tmp_path / "film.dcm", pixels, PatientOrientation=["L", "H"])


def test_pictures_and_arrays_are_read_as_they_are(tmp_path: Path, save: Save) -> None:
    np.testing.assert_array_equal(inside(save(tmp_path / "x.png", MASK.astype(np.uint8) * 255)), MASK)
    np.testing.assert_array_equal(inside(save(tmp_path / "x.npy", MASK)), MASK)
    np.savez(tmp_path / "x.npz", lung=MASK, heart=~MASK)
    np.testing.assert_array_equal(inside(tmp_path / "x.npz#heart"), ~MASK)
    Image.fromarray(MASK.astype(np.uint8)).save(tmp_path / "01.png")
    np.testing.assert_array_equal(inside(tmp_path / "01.png"), MASK)


def test_labels_of_a_picture_are_chosen_by_number(tmp_path: Path, save: Save) -> None:
    file = save(tmp_path / "x.png", LABELS)
    np.testing.assert_array_equal(inside(Path(f"{file}#1+3")), LABELS % 2 == 1)
    with pytest.raises(DataError, match=r"^x.png#lung: labels must be numbers such as #10\+11, got '#lung'$"):
        inside(Path(f"{file}#lung"))


def test_labels_of_nifti_are_all_taken_or_chosen_and_shares_count_from_a_half(tmp_path: Path) -> None:
    affine = np.diag([-1.0, -1, 1, 1])
    nibabel.save(nibabel.Nifti1Image(LABELS.T[..., None], affine), tmp_path / "x.nii.gz")
    np.testing.assert_array_equal(inside(tmp_path / "x.nii.gz"), LABELS > 0)
    np.testing.assert_array_equal(inside(tmp_path / "x.nii.gz#1+3"), LABELS % 2 == 1)
    nibabel.save(nibabel.Nifti1Image(LABELS.T[..., None].astype(np.float32) / 4, affine), tmp_path / "x.nii")
    np.testing.assert_array_equal(inside(tmp_path / "x.nii"), LABELS >= 2)


def test_a_nifti_mask_lies_on_a_picture_as_stored_and_on_nifti_by_its_orientation(tmp_path: Path, save: Save) -> None:
    picture = save(tmp_path / "film.png", LABELS)
    nibabel.save(nibabel.Nifti1Image(MASK.T[..., None].astype(np.uint8), np.eye(4)), tmp_path / "m.nii")
    np.testing.assert_array_equal(inside(tmp_path / "m.nii", picture), MASK)
    nibabel.save(nibabel.Nifti1Image(LABELS.T[::-1, :, None], np.diag([1.0, -1, 1, 1])), tmp_path / "i.nii")
    np.testing.assert_array_equal(inside(tmp_path / "m.nii", tmp_path / "i.nii"), MASK[::-1, ::-1])


def test_a_nifti_mask_lies_on_a_slice_of_ct_by_its_orientation(tmp_path: Path, write_dicom: WriteDicom) -> None:
    on_the_face = {"ImageOrientationPatient": [-1, 0, 0, 0, -1, 0], "ImagePositionPatient": [0, 0, 0]}
    image = write_dicom(tmp_path / "ct.dcm", np.where(MASK, 200, 10).astype(np.uint8), **on_the_face)
    upright = MASK[::-1, ::-1]
    assert ((read_unit(image) > 0.5) == upright).all()
    nibabel.save(
        nibabel.Nifti1Image(upright.T[..., None].astype(np.uint8), np.diag([-1.0, -1, 1, 1])), tmp_path / "m.nii"
    )
    np.testing.assert_array_equal(inside(tmp_path / "m.nii", image), upright)


def test_masks_are_turned_with_the_film_they_lie_on(
    tmp_path: Path, film: Path, save: Save, write_dicom: WriteDicom
) -> None:
    seen = read_unit(film) > 0.5
    np.testing.assert_array_equal(seen, MASK[::-1])
    picture = save(tmp_path / "m.png", MASK.astype(np.uint8) * 255)
    array = save(tmp_path / "m.npy", MASK)
    nibabel.save(nibabel.Nifti1Image(MASK.T[..., None].astype(np.uint8), np.diag([-1.0, -1, 1, 1])), tmp_path / "m.nii")
    dicom = write_dicom(tmp_path / "m.dcm", MASK.astype(np.uint8) * 255)
    for file in (picture, array, tmp_path / "m.nii", dicom):
        np.testing.assert_array_equal(inside(file, film), seen)


def test_outlines_of_via_take_the_size_of_the_image_as_stored(
    tmp_path: Path, save: Save, write_dicom: WriteDicom
) -> None:
    lying = write_dicom(tmp_path / "lying.dcm", np.zeros((3, 4), np.uint8), PatientOrientation=["F", "L"])
    shape = {"name": "rect", "x": 3, "y": 0, "width": 1, "height": 2}
    region = {"shape_attributes": shape, "region_attributes": {"organ": "lung"}}
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 3, 1), np.uint8), np.diag([-1.0, -1, 1, 1])), tmp_path / "i.nii")
    images = [save(tmp_path / "film.png", LABELS), save(tmp_path / "film.npy", LABELS), lying, tmp_path / "i.nii"]
    entries = {image.name: {"filename": image.name, "regions": [region]} for image in images}
    (tmp_path / "via.json").write_text(json.dumps(entries))
    expected = np.zeros((3, 4), bool)
    expected[:2, 3] = True
    for image in images:
        turned = expected.T if image is lying else expected
        np.testing.assert_array_equal(inside(tmp_path / "via.json#lung", image), turned)


def test_images_that_share_a_file_of_outlines_have_their_own_regions(tmp_path: Path, save: Save) -> None:
    entries, cases = {}, []
    for x in (0, 2):
        image = save(tmp_path / f"{x}.png", LABELS)
        region = {
            "shape_attributes": {"name": "rect", "x": x, "y": 0, "width": 2, "height": 3},
            "region_attributes": {},
        }
        entries[image.name] = {"filename": image.name, "regions": [region]}
        cases.append(Case(image.name, image, 0, "p", mask=tmp_path / "via.json"))
    (tmp_path / "via.json").write_text(json.dumps(entries))
    cohort = Cohort(tmp_path, "multiclass", ("a",), tuple(cases))
    loader = Loader(cohort, Preprocessing(size=4), pad=False, cache=ImageCache())
    left, right = (loader.regions(case, (3, 4))[0] for case in cases)
    np.testing.assert_array_equal(left, [[255, 255, 0, 0]] * 4)
    np.testing.assert_array_equal(right, [[0, 0, 255, 255]] * 4)


def test_a_mask_of_dicom_may_have_labels(tmp_path: Path, write_dicom: WriteDicom) -> None:
    file = write_dicom(tmp_path / "m.dcm", LABELS.astype(np.uint16))
    np.testing.assert_array_equal(inside(Path(f"{file}#2")), LABELS == 2)


def test_a_mask_of_a_volume_is_a_volume(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 2, (2, 4, 5), dtype=np.uint8)
    np.save(tmp_path / "v.npy", values)
    np.testing.assert_array_equal(inside(tmp_path / "v.npy"), values)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "v.nii")
    np.testing.assert_array_equal(inside(tmp_path / "v.nii"), read_volume(tmp_path / "v.nii").values)


def test_what_is_no_mask_is_told(tmp_path: Path, save: Save) -> None:
    with pytest.raises(DataNotFoundError, match=r"^x.png#1: no such image file$"):
        inside(tmp_path / "x.png#1")
    with pytest.raises(DataError, match=r"^x.npy: 1 of 2 pixels are NaN or infinite$"):
        inside(save(tmp_path / "x.npy", np.asarray([[1, np.nan]])))


def test_organs_of_a_real_ct_lie_where_the_slices_are_dense(real: Path) -> None:
    folder = real / "ct_totalsegmentator_examples"
    values = read_volume(folder / "dicom_series").values
    liver = read_mask(folder / "dicom_series_seg_total.nii.gz#5", image=folder / "dicom_series")
    assert liver.shape == values.shape
    assert liver.sum() > 10_000
    assert 80 < np.median(values[liver]) < 150  # HU of a liver with contrast
    mirrored = liver[:, :, ::-1]
    assert values[liver].std() < values[mirrored].std() / 2


def test_the_lungs_of_a_real_ct_are_dark(real: Path) -> None:
    folder = real / "ct_cip_test"
    values = read_volume(folder / "dicom_ct64").values
    lungs = read_mask(folder / "wholeLung-64.nii.gz", image=folder / "dicom_ct64")
    assert values[lungs].mean() < -850
    assert all(values[np.flip(lungs, axis)].mean() > -800 for axis in range(3))
