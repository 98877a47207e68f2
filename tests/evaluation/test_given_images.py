from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sightline.data import Case, Cohort, Preprocessing, batches
from sightline.errors import DataError, DataNotFoundError
from sightline.evaluation.given_images import given_batches, given_images, spatial_axes

PLAIN = Preprocessing(size=8, channels=1, equalise=False)


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return Cohort(tmp_path, "multiclass", ("normal", "nodule"), ())


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes random pixels to a file in the folder."""

    def write(name: str, *shape: int, dtype: type = np.uint8) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape or (10, 8)).astype(dtype)
        np.save(file, pixels) if file.suffix == ".npy" else Image.fromarray(pixels).save(file)
        return file

    return write


def test_files_and_folders_become_cases_named_from_where_they_meet(
    tmp_path: Path, cohort: Cohort, write: Callable[..., Path]
) -> None:
    for name in ("b/two.png", "b/deep/three.JPG", "b/notes.png.txt", "b/.hidden.png", "b/.git/four.png", "one.tif"):
        write(name) if not name.endswith("txt") else (tmp_path / name).write_text("")
    images = given_images([tmp_path / "one.tif", tmp_path / "b", tmp_path / "b" / "two.png"], cohort)
    assert [case.id for case in images.cases] == ["one.tif", "b/deep/three.JPG", "b/two.png"]
    assert all(case.label == -1 and case.mask is None for case in images.cases)
    assert images.classes == cohort.classes
    assert [case.id for case in given_images([tmp_path / "b"], cohort).cases] == ["deep/three.JPG", "two.png"]
    images = given_images([tmp_path / "b"], cohort, leave_out=tmp_path / "b" / "deep")
    assert [case.id for case in images.cases] == ["two.png"]


def test_the_name_of_a_lone_file_is_its_own(cohort: Cohort, write: Callable[..., Path]) -> None:
    assert [case.id for case in given_images([write("a/b/scan.png")], cohort).cases] == ["scan.png"]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nowhere", DataNotFoundError, "nowhere: no such image file or folder"),
        ("notes.txt", DataError, r"notes.txt is not an image file \(.*\.tiff\)"),
        ("empty", DataError, "no images in .*empty"),
    ],
)
def test_what_is_no_image_is_refused(
    tmp_path: Path, cohort: Cohort, name: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(error, match=message):
        given_images([tmp_path / name], cohort)


@pytest.mark.parametrize(("name", "dtype"), [("x.png", np.uint8), ("x.tiff", np.uint16), ("x.png", np.uint16)])
@pytest.mark.parametrize("preprocessing", [PLAIN, Preprocessing(size=8)])
def test_images_are_prepared_as_those_of_a_cohort(
    cohort: Cohort, write: Callable[..., Path], name: str, dtype: type, preprocessing: Preprocessing
) -> None:
    file = write(name, dtype=dtype)
    (given,) = given_batches(given_images([file], cohort), preprocessing, axes=2, batch_size=4)
    own = Cohort(file.parent, "multiclass", cohort.classes, (Case("x", file, 1, "x"),))
    (expected,) = batches(own, preprocessing, batch_size=4, seed=None)
    assert torch.equal(given.images, expected.images)
    assert given.regions.isnan().all()
    assert given.cases == (name,)


def test_sixteen_bits_are_not_cut_to_eight(cohort: Cohort, tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257], [40000, 65535]], np.uint16)).save(tmp_path / "deep.tif")
    images = given_images([tmp_path / "deep.tif"], cohort)
    (batch,) = given_batches(images, Preprocessing(2, 1, equalise=False), axes=2, batch_size=1)
    torch.testing.assert_close(batch.images.flatten(), torch.tensor([0, 257, 40000, 65535]) / 65535)


def test_pixels_on_another_scale_than_the_cohort_are_told_of(
    tmp_path: Path, write: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    files = [write("deep.tif", dtype=np.uint16), write("shallow.png")]
    cohort = Cohort(tmp_path, "multiclass", ("normal", "nodule"), (), value_range=(0, 255))
    list(given_batches(given_images(files, cohort), PLAIN, axes=2, batch_size=2))
    (told,) = caplog.messages
    assert told.startswith("deep.tif: ")
    assert "is white by the cohort's value_range, 0 to 255" in told


def test_labels_of_several_are_unknown(tmp_path: Path, write: Callable[..., Path]) -> None:
    cohort = Cohort(tmp_path, "multilabel", ("a", "b"), ())
    (batch,) = given_batches(given_images([write("x.png")], cohort), PLAIN, axes=2, batch_size=1)
    assert batch.labels.isnan().all()
    assert batch.labels.shape == (1, 2)


def test_volumes_are_scaled_and_come_in_batches(cohort: Cohort, write: Callable[..., Path]) -> None:
    files = [write(f"{name}.npy", 8, 8, 8, dtype=np.uint16) for name in "abc"]
    preprocessing = Preprocessing(size=8, channels=2, equalise=False)
    first, second = given_batches(given_images(files, cohort), preprocessing, axes=3, batch_size=2)
    assert first.images.shape == (2, 2, 8, 8, 8)
    assert second.cases == ("c.npy",)
    expected = torch.from_numpy(np.load(files[0]).astype(np.float32) / 65535)
    torch.testing.assert_close(first.images[0, 1], expected)
    assert first.regions.isnan().all()
    (equalised,) = given_batches(given_images(files[:1], cohort), Preprocessing(8, 1), axes=3, batch_size=1)
    assert equalised.images.min() == 0
    assert equalised.images.max() == 1
    clahe = Preprocessing(8, 1, equalise="clahe", window=(0, 30000))
    (local,) = given_batches(given_images(files[:1], cohort), clahe, axes=3, batch_size=1)
    assert not torch.equal(local.images, equalised.images)


def test_a_volume_may_be_nifti(tmp_path: Path, cohort: Cohort) -> None:
    nibabel = pytest.importorskip("nibabel")
    values = np.random.default_rng(0).integers(-1000, 400, (8, 8, 8)).astype(np.int16)
    nibabel.Nifti1Image(values, np.diag([-1.0, -1, 1, 1])).to_filename(tmp_path / "ct.nii.gz")
    windowed = Preprocessing(size=8, channels=1, equalise=False, window=(-1000, 400))
    (batch,) = given_batches(given_images([tmp_path], cohort), windowed, axes=3, batch_size=1)
    assert batch.cases == ("ct.nii.gz",)
    expected = torch.from_numpy((values.astype(np.float32) + 1000) / 1400).permute(2, 1, 0).flip(0)
    torch.testing.assert_close(batch.images[0, 0], expected)


@pytest.mark.parametrize(
    ("name", "shape", "axes", "message"),
    [
        ("v.npy", (8, 8, 8), 2, "v.npy: a volume, but the model takes images of 2 axes"),
        ("v.npy", (8, 8, 8), None, "v.npy: a volume, but the model takes images of 2 axes"),
        ("i.png", (8, 8), 3, r"i.png: an image, but the model takes volumes; give .npy arrays \(D, H, W\) or NIfTI"),
        ("v.npy", (8, 8, 9), 3, r"v.npy: volume must be 8 x 8 x 8, got \(8, 8, 9\); resample it first"),
    ],
)
def test_what_the_model_cannot_take_is_refused(
    cohort: Cohort, write: Callable[..., Path], name: str, shape: tuple[int, ...], axes: int | None, message: str
) -> None:
    images = given_images([write(name, *shape)], cohort)
    with pytest.raises(DataError, match=message):
        list(given_batches(images, PLAIN, axes=axes, batch_size=1))


def test_a_broken_array_is_refused_by_name(cohort: Cohort, tmp_path: Path) -> None:
    (tmp_path / "broken.npy").write_bytes(b"none")
    images = given_images([tmp_path / "broken.npy"], cohort)
    with pytest.raises(DataError, match=r"broken\.npy: unreadable or truncated"):
        given_batches(images, PLAIN, axes=2, batch_size=1)
    np.save(tmp_path / "hole.npy", np.full((8, 8, 8), np.nan))
    images = given_images([tmp_path / "hole.npy"], cohort)
    with pytest.raises(DataError, match=r"hole\.npy: volume holds NaN"):
        list(given_batches(images, PLAIN, axes=3, batch_size=1))


def test_axes_are_those_of_the_first_convolution() -> None:
    assert spatial_axes(nn.Sequential(nn.Conv3d(1, 1, 1), nn.Conv2d(1, 1, 1))) == 3
    assert spatial_axes(nn.Conv2d(1, 1, 1)) == 2
    assert spatial_axes(nn.Linear(1, 1)) is None
