"""Segmentations written by highdicom, where it is installed, and by hand."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pydicom
import pytest

from sightline.data.readers.masks import read_mask
from sightline.errors import DataError

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
VALUES = np.zeros((4, 6, 5), np.int16)  # head to feet
WriteDicom = Callable[..., Path]
pytestmark = pytest.mark.filterwarnings("ignore")  # highdicom's and pydicom's, about what they are given


@pytest.fixture
def scan(tmp_path: Path, write_dicom: WriteDicom) -> Path:
    """A folder of four slices, the last in name the first from the head."""
    for number in range(4):
        write_dicom(
            tmp_path / "scan" / f"{3 - number}.dcm",
            VALUES[number],
            SOPClassUID="1.2.840.10008.5.1.4.1.1.2",
            Modality="CT",
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            ImagePositionPatient=[0, 0, -2 * number],
            PixelSpacing=[1, 1],
            SliceThickness=2,
            SeriesInstanceUID="1.2.3",
            StudyInstanceUID="1.2",
            FrameOfReferenceUID="1.2.9",
            **dict.fromkeys(("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"), ""),
            **dict.fromkeys(("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName", "Manufacturer"), ""),
            SeriesNumber=1,
            InstanceNumber=number + 1,
        )
    return tmp_path / "scan"


@pytest.fixture
def masks() -> np.ndarray:
    """Two segments of every slice, `(2, 4, 6, 5)`; the second only on two slices."""
    drawn = np.random.default_rng(0).random((2, 4, 6, 5)) > 0.6
    drawn[1, [0, 3]] = False
    return drawn


@pytest.fixture
def highdicom() -> ModuleType:
    pytest.importorskip("highdicom")
    import highdicom.seg

    return highdicom


def write_with_highdicom(package: ModuleType, scan: Path, masks: np.ndarray, kind: str) -> Path:
    from pydicom.sr.codedict import codes

    slices = sorted((pydicom.dcmread(file) for file in scan.iterdir()), key=lambda ds: ds.InstanceNumber)
    described = [
        package.seg.SegmentDescription(
            segment_number=number + 1,
            segment_label=label,
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Lung,
            algorithm_type="MANUAL",
        )
        for number, label in enumerate(("left", "right"))
    ]
    pixels: np.ndarray = np.moveaxis(masks, 0, -1).astype(np.uint8)
    if kind == "FRACTIONAL":
        pixels = pixels * np.float32(0.75)
    if kind == "LABELMAP":
        pixels = pixels[..., 0] + 2 * (pixels[..., 1] & ~pixels[..., 0])
    file = package.seg.Segmentation(
        source_images=slices,
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=described,
        series_instance_uid=pydicom.uid.generate_uid(),
        series_number=2,
        sop_instance_uid=pydicom.uid.generate_uid(),
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
    )
    file.save_as(scan.parent / "seg.dcm")
    return scan.parent / "seg.dcm"


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_highdicoms_segments_lie_on_volume_and_slices(
    highdicom: ModuleType, scan: Path, masks: np.ndarray, kind: str
) -> None:
    seg = write_with_highdicom(highdicom, scan, masks, kind)
    np.testing.assert_array_equal(read_mask(seg, image=scan), masks.any(axis=0))
    for part, expected in (("1", masks[0]), ("right", masks[1]), ("left+2", masks.any(axis=0))):
        np.testing.assert_array_equal(read_mask(Path(f"{seg}#{part}"), image=scan), expected)
    for number in range(4):
        image = scan / f"{3 - number}.dcm"
        np.testing.assert_array_equal(read_mask(Path(f"{seg}#1"), image=image), masks[0, number])
    with pytest.raises(DataError, match=r"^seg.dcm#3: no segment '3'; there are 1, 2, or their labels$"):
        read_mask(Path(f"{seg}#3"), image=scan)
    with pytest.raises(DataError, match=r"^seg.dcm#2: no frame of the segmentation lies on 3.dcm; is it of another"):
        read_mask(Path(f"{seg}#2"), image=scan / "3.dcm")


def test_a_label_map_of_highdicom_is_read_too(highdicom: ModuleType, scan: Path, masks: np.ndarray) -> None:
    seg = write_with_highdicom(highdicom, scan, masks, "LABELMAP")
    np.testing.assert_array_equal(read_mask(Path(f"{seg}#left"), image=scan), masks[0])
    np.testing.assert_array_equal(read_mask(Path(f"{seg}#2"), image=scan), masks[1] & ~masks[0])


def item(**elements: Any) -> pydicom.Dataset:
    made = pydicom.Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


@pytest.fixture
def write_seg(tmp_path: Path, write_dicom: WriteDicom) -> Callable[..., Path]:
    """Write a segmentation of one frame."""

    def write(mask: np.ndarray, group: pydicom.Dataset | None = None, **elements: Any) -> Path:
        group = group or item()
        group.SegmentIdentificationSequence = [item(ReferencedSegmentNumber=1)]
        return write_dicom(
            tmp_path / "seg.dcm",
            mask.astype(np.uint8),
            SOPClassUID=SEG,
            SegmentationType="BINARY",
            SegmentSequence=[item(SegmentNumber=1, SegmentLabel="lung of Jane Doe")],
            PerFrameFunctionalGroupsSequence=[group],
            **elements,
        )

    return write


def referring(*uids: str) -> list[pydicom.Dataset]:
    return [item(ReferencedInstanceSequence=[item(ReferencedSOPInstanceUID=uid) for uid in uids])]


def test_a_segmentation_without_places_lies_on_the_one_film_it_names_and_is_turned_with_it(
    tmp_path: Path, write_dicom: WriteDicom, write_seg: Callable[..., Path]
) -> None:
    film = write_dicom(
        tmp_path / "film.dcm", np.zeros((3, 4), np.uint8), SOPInstanceUID="1.2.5", PatientOrientation=["R", "F"]
    )
    mask = np.arange(12).reshape(3, 4) % 5 == 1
    seg = write_seg(mask, ReferencedSeriesSequence=referring("1.2.5"))
    np.testing.assert_array_equal(read_mask(seg, image=film), mask[:, ::-1])
    other = write_seg(mask, ReferencedSeriesSequence=referring("1.2.6"))
    with pytest.raises(DataError, match=r"^seg.dcm: no frame of the segmentation lies on film.dcm; is it of another"):
        read_mask(other, image=film)


def test_a_frame_belongs_to_the_slice_whose_plane_it_shares(scan: Path, write_seg: Callable[..., Path]) -> None:
    mask = np.arange(30).reshape(6, 5) % 7 == 1

    def plane(z: float, spacing: float = 1) -> pydicom.Dataset:
        return item(
            PlanePositionSequence=[item(ImagePositionPatient=[0, 0, z])],
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelMeasuresSequence=[item(PixelSpacing=[spacing, spacing])],
        )

    volume = read_mask(write_seg(mask, plane(-4)), image=scan)
    np.testing.assert_array_equal(volume[2], mask)
    assert volume.sum() == mask.sum()
    for elsewhere in (plane(-5), plane(-4, 1.1)):
        with pytest.raises(
            DataError, match=r"^seg.dcm: no frame of the segmentation lies on scan; is it of another scan"
        ):
            read_mask(write_seg(mask, elsewhere), image=scan)


def test_a_segmentation_of_other_pixels_is_refused(scan: Path, write_seg: Callable[..., Path]) -> None:
    uid = str(pydicom.dcmread(scan / "0.dcm").SOPInstanceUID)
    source = item(DerivationImageSequence=[item(SourceImageSequence=[item(ReferencedSOPInstanceUID=uid)])])
    seg = write_seg(np.ones((3, 5), bool), source)
    with pytest.raises(DataError, match=r"^seg.dcm: segmentation has 5 x 3 pixels, but its image 5 x 6; make them one"):
        read_mask(seg, image=scan / "0.dcm")


def test_a_segmentation_needs_a_dicom_image(tmp_path: Path, write_seg: Callable[..., Path]) -> None:
    seg = write_seg(np.ones((3, 5), bool))
    for image in (None, tmp_path / "film.png"):
        with pytest.raises(DataError, match=r"^seg.dcm: a DICOM segmentation needs the DICOM image"):
            read_mask(seg, image=image)


def test_labels_of_segments_are_not_told(tmp_path: Path, scan: Path, write_seg: Callable[..., Path]) -> None:
    write_seg(np.ones((6, 5), bool))
    with pytest.raises(DataError, match=r"^seg.dcm#heart: no segment 'heart'; there are 1, or their labels$"):
        read_mask(tmp_path / "seg.dcm#heart", image=scan)
