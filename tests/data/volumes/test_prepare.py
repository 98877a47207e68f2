import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel
import numpy as np
import pytest

from sightline.data.readers.masks import read_mask
from sightline.data.readers.volume import Volume, read_volume
from sightline.data.volumes import Job, Outcome, Preparation, Source, prepare_volume, read_array, write_store
from sightline.data.volumes.prepare import prepared
from sightline.data.volumes.resampling import resample, resample_labels, resampled_affine
from sightline.errors import RunError, SettingsError

Write = Callable[..., Path]
Noise = Callable[..., np.ndarray]
SPACING = (2.0, 1.0, 1.5)  # of the files
WAY = Preparation(spacing_mm=(1.0, 1.0, 1.0))


@pytest.fixture
def do(tmp_path: Path) -> Callable[..., Outcome]:
    """Prepare a file or folder."""

    def prepare(path: Path, way: Preparation = WAY, **more: Any) -> Outcome:
        return prepare_volume(Job(Source("p1", path.name, path), tmp_path / "out", way, **more))

    return prepare


@pytest.fixture
def organs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A stand-in for the partition: the right third is right lung, the left third left lung; what it was asked."""
    asked: list[tuple[Any, ...]] = []

    @dataclass(frozen=True)
    class Quality:
        passed: bool
        reasons: tuple[str, ...]

    @dataclass(frozen=True)
    class Organs:
        labels: np.ndarray
        quality: Quality

    def partition_organs(hu: np.ndarray, spacing_mm: tuple[float, float, float]) -> Organs:
        asked.append((hu.shape, hu.dtype, spacing_mm))
        labels = np.full(hu.shape, 2, np.uint8)
        labels[:, :, : hu.shape[2] // 3], labels[:, :, -(hu.shape[2] // 3) :] = 1, 3
        return Organs(labels, Quality(False, ("left lung of 80 ml",)))

    module = ModuleType("sightline.regions.organs")
    vars(module)["partition_organs"] = partition_organs
    monkeypatch.setitem(sys.modules, "sightline.regions.organs", module)
    return asked


def test_a_volume_is_resampled_clipped_and_kept_with_where_it_lies(
    tmp_path: Path, write_nifti: Write, hounsfield: Noise, do: Callable[..., Outcome]
) -> None:
    values = hounsfield() * 2  # beyond the limits
    file = write_nifti(tmp_path / "p1.nii.gz", values)
    outcome = do(file)
    assert (outcome.reason, outcome.kept) == ("", False)
    about = outcome.about
    assert (about["source_shape"], about["source_spacing_mm"]) == ([8, 10, 12], [2, 1, 1.5])
    assert (about["shape"], about["spacing_mm"]) == ([16, 10, 18], [1, 1, 1])
    made = read_volume(tmp_path / "out/volumes/p1.zarr")
    expected = resample(np.maximum(values, -1000), SPACING, (1, 1, 1)).clip(-1000, 1000)
    np.testing.assert_allclose(made.values, expected, atol=0.5)
    assert (made.values == 1000).any()
    raw = read_volume(file)
    np.testing.assert_allclose(made.affine, resampled_affine(raw.affine, (8, 10, 12), SPACING, (1, 1, 1)))
    assert read_array(tmp_path / "out/volumes/p1.zarr", "ct").dtype == np.int16


def test_padding_outside_the_field_of_view_does_not_ring() -> None:
    values = np.full((60, 12, 12), -3024, np.float32)
    values[:, 3:9, 3:9] = -1000
    values[50:] = 40
    ct, _ = prepared(Volume(values, (1, 1, 1), np.eye(4)[[2, 1, 0, 3]]), Preparation((0.8, 0.8, 0.8)), name="p")
    assert (ct[:30] == -1000).all()


def test_a_series_and_a_file_of_the_same_patient_are_prepared_alike(
    tmp_path: Path, write_nifti: Write, write_series: Write, hounsfield: Noise
) -> None:
    made = []
    for number, path in enumerate(
        (write_nifti(tmp_path / "a.nii", hounsfield()), write_series(tmp_path / "b", hounsfield()))
    ):
        outcome = prepare_volume(Job(Source(f"p{number}", path.name, path), tmp_path / "out", WAY))
        assert outcome.reason == ""
        made.append(read_volume(tmp_path / f"out/volumes/p{number}.zarr"))
    np.testing.assert_array_equal(made[0].values, made[1].values)
    np.testing.assert_allclose(made[0].affine, made[1].affine)


def test_real_slices_and_the_real_file_of_the_same_patient_agree(tmp_path: Path, real: Path) -> None:
    made = []
    for name in ("ct-64.nii.gz", "dicom_ct64"):
        path = real / "ct_cip_test" / name
        outcome = prepare_volume(Job(Source(name, name, path), tmp_path, Preparation((4.0, 4.0, 4.0))))
        assert outcome.reason == ""
        made.append(read_array(tmp_path / f"volumes/{name}.zarr", "ct"))
    assert np.abs(made[0].astype(int) - made[1]).max() <= 1
    assert made[0].min() == -1000


def test_what_is_there_is_kept_until_the_request_or_the_file_changes(
    tmp_path: Path, write_nifti: Write, hounsfield: Noise, do: Callable[..., Outcome]
) -> None:
    file = write_nifti(tmp_path / "p1.nii.gz", hounsfield())
    first = do(file)
    again = do(file)
    assert again.kept
    assert again.about == first.about
    assert not do(file, replace(WAY, clip_hu=(-1000, 400))).kept
    assert read_volume(tmp_path / "out/volumes/p1.zarr").values.max() == 400
    assert not do(file).kept
    os.utime(file, ns=(1, 1))
    assert not do(file).kept
    (tmp_path / "out/volumes/p1.zarr/zarr.json").write_text("half of")
    assert not do(file).kept
    assert do(file).kept


def test_organs_are_found_in_what_is_kept(
    tmp_path: Path, write_nifti: Write, hounsfield: Noise, do: Callable[..., Outcome], organs: list[tuple[Any, ...]]
) -> None:
    outcome = do(write_nifti(tmp_path / "p1.nii.gz", hounsfield()), replace(WAY, organs=True))
    assert organs == [((16, 10, 18), np.int16, (1.0, 1.0, 1.0))]
    assert outcome.about["organs_quality"] == {"passed": False, "reasons": ["left lung of 80 ml"]}
    lungs = read_mask(tmp_path / "out/volumes/p1.zarr#1+3")
    assert lungs.any(axis=(0, 1)).tolist() == [True] * 6 + [False] * 6 + [True] * 6


def test_masks_of_the_source_come_onto_the_new_grid(
    tmp_path: Path, write_nifti: Write, hounsfield: Noise, do: Callable[..., Outcome]
) -> None:
    file = write_nifti(tmp_path / "p1.nii.gz", hounsfield())
    labels = np.random.default_rng(0).integers(0, 4, (8, 10, 12)).astype(np.uint8)
    given, made = write_nifti(tmp_path / "organs.nii.gz", labels), tmp_path / "out/masks/lung/p1.nii.gz"
    assert do(file, masks={given: made}).reason == ""
    expected = resample_labels(labels, SPACING, (1, 1, 1))
    np.testing.assert_array_equal(read_mask(made.with_name("p1.nii.gz#1+3")), np.isin(expected, (1, 3)))
    where = read_volume(tmp_path / "out/volumes/p1.zarr").affine
    np.testing.assert_allclose(read_volume(made).affine, where, atol=1e-4)
    made.unlink()
    assert not do(file, masks={given: made}).kept
    small = write_nifti(tmp_path / "organs.nii.gz", labels[1:])
    outcome = do(file, masks={small: made})
    assert outcome.reason == "p1.nii.gz: its mask organs.nii.gz has 7 x 10 x 12 voxels, the volume 8 x 10 x 12"


def test_a_prepared_volume_can_be_prepared_anew(tmp_path: Path, hounsfield: Noise, do: Callable[..., Outcome]) -> None:
    path = tmp_path / "fine.zarr"
    write_store(path, hounsfield(), spacing_mm=(1, 1, 1), affine=np.eye(4)[[2, 1, 0, 3]])
    assert do(path, Preparation((2.0, 2.0, 2.0))).about["shape"] == [4, 5, 6]


SERIES: list[tuple[dict[str, Any], str]] = [
    ({"RescaleType": "US"}, r"s: rescale type of 00.dcm must be HU, got US \(not specified\)"),
    ({"RescaleType": "Qwertz"}, "s: rescale type of 00.dcm must be HU, got another unit"),
    ({"Modality": "MR"}, "s: modality of 00.dcm must be CT, got MR"),
    ({"tilt_mm": 0.3}, "s: gantry tilt of 8.5 degrees, its slices are stacked askew; undo the tilt first"),
    (
        {"ImageOrientationPatient": [0.8, 0.6, 0, -0.6, 0.8, 0]},
        "s: its axes lie 37 degrees off the patient's, more than 30",
    ),
    ({"RescaleIntercept": 0}, "s: values from 24 to 2020 cannot be HU, where air is near -1000 and water 0"),
    ({"PixelSpacing": [900, 900]}, "s: 16 x 9000 x 10800 mm is larger than a patient; is its spacing in mm[?]"),
]


@pytest.mark.parametrize(("elements", "reason"), SERIES)
def test_a_bad_series_is_one_clear_line_and_leaves_nothing(
    tmp_path: Path,
    write_series: Write,
    hounsfield: Noise,
    do: Callable[..., Outcome],
    elements: dict[str, Any],
    reason: str,
) -> None:
    outcome = do(write_series(tmp_path / "s", hounsfield(), **elements))
    assert re.fullmatch(reason, outcome.reason), outcome.reason
    assert not (tmp_path / "out").exists()


def test_missing_slices_mixed_series_and_localizers_are_told(
    tmp_path: Path, write_series: Write, hounsfield: Noise, do: Callable[..., Outcome]
) -> None:
    folder = write_series(tmp_path / "s", hounsfield())
    (folder / "14.dcm").unlink()
    assert do(folder).reason.startswith(
        "s: slices are missing or uneven: 2.00 mm apart, but 4.00 mm from 21.dcm to 07.dcm"
    )
    write_series(folder, hounsfield(), SeriesInstanceUID="1.2.9", prefix="x")
    assert do(folder).reason.startswith("s: slices of 2 series, not one: ")
    scout = write_series(tmp_path / "scout", hounsfield((2, 10, 12)))
    told = do(scout).reason
    assert told == "scout: 2 x 10 x 12 voxels, where a volume has 4 along each axis; a localizer?"
    cut = write_series(tmp_path / "cut", hounsfield())
    (cut / "07.dcm").write_bytes((cut / "07.dcm").read_bytes()[:-40])
    assert do(cut).reason.startswith("cut/07.dcm: ")
    assert not (tmp_path / "out").exists()


def test_pixels_that_are_not_square_become_so(
    tmp_path: Path, write_series: Write, hounsfield: Noise, do: Callable[..., Outcome]
) -> None:
    outcome = do(write_series(tmp_path / "s", hounsfield(), (2.0, 0.5, 1.5)))
    assert (outcome.reason, outcome.about["shape"]) == ("", [16, 5, 18])


def test_bad_files_are_one_clear_line(
    tmp_path: Path, write_nifti: Write, hounsfield: Noise, do: Callable[..., Outcome]
) -> None:
    four = nibabel.Nifti1Image(np.zeros((4, 5, 6, 3), np.int16), np.eye(4))
    four.to_filename(tmp_path / "four.nii.gz")
    assert do(tmp_path / "four.nii.gz").reason == "four.nii.gz: NIfTI file must have three axes, got (4, 5, 6, 3)"
    np.save(tmp_path / "a.npy", hounsfield())
    told = do(tmp_path / "a.npy").reason
    assert told == "a.npy: does not say the distance of its voxels; give it as NIfTI or DICOM"
    file = write_nifti(tmp_path / "p1.nii", hounsfield())
    file.write_bytes(file.read_bytes()[:900])
    assert do(file).reason.startswith("p1.nii: unreadable or truncated NIfTI file")
    assert do(tmp_path / "nowhere.nii").reason == "nowhere.nii: no such volume"
    assert not (tmp_path / "out").exists()


def test_what_nobody_expected_is_a_reason_without_words_of_a_header(
    tmp_path: Path, write_nifti: Write, hounsfield: Noise, do: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("Qwertz^Ulrike")

    file = write_nifti(tmp_path / "p1.nii", hounsfield())
    monkeypatch.setattr("sightline.data.volumes.prepare.read_volume", fail)
    assert do(file).reason == "p1.nii: cannot be prepared (ValueError)"


def test_a_folder_that_cannot_be_written_to_ends_the_run(
    tmp_path: Path, write_nifti: Write, hounsfield: Noise, do: Callable[..., Outcome]
) -> None:
    (tmp_path / "out").write_text("a file in its place")
    with pytest.raises(RunError, match=r"p1.zarr cannot be written \("):
        do(write_nifti(tmp_path / "p1.nii", hounsfield()))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"spacing_mm": (0.8, 0.0, 0.8)}, "spacing must be three lengths above 0 mm, got"),
        ({"clip_hu": (400, -1000)}, "clip must be two growing HU between"),
        ({"clip_hu": (-40000, 0)}, "clip must be two growing HU between"),
    ],
)
def test_settings_out_of_range_are_told(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Preparation(**setting)
