from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from sightline.data.readers.volume import Volume, read_volume
from sightline.errors import DataError

WriteDicom = Callable[..., Path]
VALUES = np.random.default_rng(0).integers(-1000, 1000, (5, 3, 4)).astype(np.int16)  # head to feet


@pytest.fixture
def write_slice(tmp_path: Path, write_dicom: WriteDicom) -> Callable[..., Path]:
    """Write one axial slice, by its number from the head."""

    def write(number: int, name: str = "", z: float | None = None, **elements: Any) -> Path:
        usual: dict[str, Any] = {
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "ImagePositionPatient": [-10, -20, -2.5 * number if z is None else z],
            "PixelSpacing": [0.5, 0.75],
            "SeriesInstanceUID": "1.2.3",
            "RescaleSlope": 2,
            "RescaleIntercept": -24,
        }
        name = name or f"{number * 7 % 5}.dcm"  # names in another order than slices
        return write_dicom(tmp_path / "scan" / name, VALUES[number], **(usual | elements))

    return write


@pytest.fixture
def scan(tmp_path: Path, write_slice: Callable[..., Path]) -> Path:
    """A folder of five slices."""
    for number in range(5):
        write_slice(number)
    return tmp_path / "scan"


def lies_at(volume: Volume, *index: int) -> list[float]:
    assert volume.affine is not None
    return list(volume.affine @ [*index, 1])[:3]


def test_slices_are_put_in_order_by_where_they_lie(scan: Path) -> None:
    volume = read_volume(scan)
    np.testing.assert_array_equal(volume.values, VALUES * 2.0 - 24)
    assert volume.spacing_mm == pytest.approx((2.5, 0.5, 0.75))
    assert lies_at(volume, 0, 0, 0) == pytest.approx([10, 20, 0])  # DICOM's x and y turned around
    assert lies_at(volume, 4, 2, 3) == pytest.approx([10 - 3 * 0.75, 20 - 2 * 0.5, -10])


def test_a_scan_of_a_patient_lying_on_the_face_is_turned(tmp_path: Path, write_slice: Callable[..., Path]) -> None:
    for number in range(5):
        write_slice(number, ImageOrientationPatient=[-1, 0, 0, 0, -1, 0])
    np.testing.assert_array_equal(read_volume(tmp_path / "scan").values, VALUES[:, ::-1, ::-1] * 2.0 - 24)


def test_sagittal_slices_make_the_same_volume(tmp_path: Path, write_dicom: WriteDicom) -> None:
    for number in range(4):
        write_dicom(
            tmp_path / "scan" / f"{number}",  # no suffix
            np.ascontiguousarray(VALUES[:, :, number]),  # rows to the feet, columns to the back
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
            ImagePositionPatient=[0.75 * number, 0, 0],
            PixelSpacing=[2.5, 0.5],
        )
    volume = read_volume(tmp_path / "scan")
    np.testing.assert_array_equal(volume.values, VALUES)
    assert volume.spacing_mm == pytest.approx((2.5, 0.5, 0.75))


def test_a_tilted_gantry_shears_the_affine(tmp_path: Path, write_slice: Callable[..., Path]) -> None:
    for number in range(5):
        write_slice(number, ImagePositionPatient=[0, -1.0 * number, -2.5 * number])
    volume = read_volume(tmp_path / "scan")
    assert lies_at(volume, 4, 0, 0) == pytest.approx([0, 4, -10])


def test_slices_have_their_own_rescale_and_padding(tmp_path: Path, write_slice: Callable[..., Path]) -> None:
    for number in range(5):
        write_slice(number, RescaleSlope=number + 1, PixelPaddingValue=int(VALUES[number, 0, 0]))
    expected = VALUES * np.arange(1.0, 6)[:, None, None] - 24
    for plane in expected:
        plane[0, 0] = np.sort(plane.ravel()[1:])[0]
    np.testing.assert_array_equal(read_volume(tmp_path / "scan").values, expected)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"z": -5.0}, r"1 slices lie where another does: \w+.dcm; keep one of each$"),
        ({"SeriesInstanceUID": "1.2.4"}, r"slices of 2 series, not one: 5 such as 0.dcm; 1 such as more.dcm; put each"),
        ({"PixelSpacing": [0.5, 0.5]}, "slices of 2 sizes, not one: 5 such as 0.dcm; 1 such as more.dcm; put each"),
        (
            {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
            "slices of several orientations: 1 of 6 are not as 0.dcm: more.dcm",
        ),
        ({"z": -25.0}, r"slices are missing or uneven: 2.50 mm apart, but 15.00 mm from more.dcm to 3.dcm$"),
        ({"ImagePositionPatient": [9, -20, -12.5]}, r"slices do not lie in one line: \w+.dcm is \d+\.\d+ mm aside$"),
        ({"ImagePositionPatient": None}, r"more.dcm: no ImagePositionPatient, so its place in a volume is not known$"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, r"more.dcm: ImageOrientationPatient is not two unit vectors"),
    ],
)
def test_what_makes_no_volume_is_listed(
    scan: Path, write_slice: Callable[..., Path], changes: dict[str, Any], what: str
) -> None:
    write_slice(4, "more.dcm", **({"z": -12.5} | changes))
    with pytest.raises(DataError, match=rf"^scan(: |/){what}") as caught:
        read_volume(scan)
    assert "1.2.3" not in str(caught.value)


def test_a_missing_slice_is_told_by_its_neighbours(scan: Path) -> None:
    (scan / "1.dcm").unlink()  # number 3
    with pytest.raises(
        DataError, match=r"^scan: slices are missing or uneven: 2.50 mm apart, but 5.00 mm from 3.dcm to"
    ):
        read_volume(scan)


def test_other_files_in_the_folder_are_left_out_or_told(scan: Path) -> None:
    (scan / "notes.txt").write_text("hello")
    assert read_volume(scan).values.shape == (5, 3, 4)
    report = pydicom.data.get_testdata_file("test-SR.dcm", download=False)
    (scan / "report.dcm").write_bytes(Path(str(report)).read_bytes())
    assert read_volume(scan).values.shape == (5, 3, 4)
    (scan / "shot.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"^scan/shot.png: not a DICOM file, in a folder of slices$"):
        read_volume(scan)


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r": no DICOM images$"):
        read_volume(tmp_path)


def test_a_single_slice_needs_its_thickness(tmp_path: Path, write_slice: Callable[..., Path]) -> None:
    write_slice(0)
    with pytest.raises(DataError, match=r"^scan: a single slice that does not say its thickness$"):
        read_volume(tmp_path / "scan")
    write_slice(0, SliceThickness=3)
    assert read_volume(tmp_path / "scan").spacing_mm == pytest.approx((3, 0.5, 0.75))


def test_a_file_of_many_frames_is_a_volume_of_its_groups(
    tmp_path: Path, dicom_dataset: Callable[..., pydicom.Dataset]
) -> None:
    def item(**elements: Any) -> list[pydicom.Dataset]:
        made = pydicom.Dataset()
        for keyword, value in elements.items():
            setattr(made, keyword, value)
        return [made]

    header = dicom_dataset(VALUES[0], NumberOfFrames=5, PixelRepresentation=1)
    order = [2, 0, 1, 4, 3]
    header.PixelData = VALUES[order].tobytes()
    header.SharedFunctionalGroupsSequence = item(
        PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        PixelMeasuresSequence=item(PixelSpacing=[1, 1]),
    )
    header.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=item(ImagePositionPatient=[0, 0, -3 * number]),
            PixelValueTransformationSequence=item(RescaleSlope=number + 1, RescaleIntercept=0),
        )[0]
        for number in order
    ]
    header.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    volume = read_volume(tmp_path / "x.dcm")
    np.testing.assert_array_equal(volume.values, VALUES * np.arange(1.0, 6)[:, None, None])
    assert volume.spacing_mm == pytest.approx((3, 1, 1))


def test_real_slices_make_the_volume_of_the_nifti_file_beside_them(real: Path) -> None:
    slices = read_volume(real / "ct_cip_test" / "dicom_ct64")
    whole = read_volume(real / "ct_cip_test" / "ct-64.nii.gz")
    np.testing.assert_array_equal(slices.values, whole.values)
    np.testing.assert_allclose(slices.affine, whole.affine, atol=1e-2)
