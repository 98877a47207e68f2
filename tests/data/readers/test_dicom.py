"""Against pydicom's own files, of every transfer syntax and photometric interpretation that comes with it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, convert_color_space
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless

from sightline.data.readers.dicom import read_about, read_dicom
from sightline.data.readers.rendering import Rendering
from sightline.errors import DataError, DataNotFoundError

WriteDicom = Callable[..., Path]
RAMP = np.arange(12).reshape(3, 4)
AS_MEASURED = Rendering(window=None, upright=False)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's on its own odd files


def theirs(name: str) -> tuple[Path, pydicom.FileDataset]:
    """Return a file that comes with pydicom."""
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"{name} does not come with this pydicom")
    return Path(path), pydicom.dcmread(path)


GREY = (
    *("693_J2KI.dcm", "CT_small.dcm", "J2K_pixelrep_mismatch.dcm", "JPEG2000.dcm", "JPEGLSNearLossless_08.dcm"),
    *(
        "JPEGLSNearLossless_16.dcm",
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
    ),
    *("MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_padded.dcm", "image_dfl.dcm"),
    *("liver_1frame.dcm", "liver_expb_1frame.dcm", "rtdose_1frame.dcm", "rtdose_expb_1frame.dcm"),
    *("rtdose_rle_1frame.dcm", "examples_overlay.dcm"),
)
COLOUR = (
    *("ExplVR_BigEnd.dcm", "SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_dcmtk_+eb+cy+s4.dcm"),
    *("SC_rgb_gdcm_KY.dcm", "SC_rgb_jls_lossy_line.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_jpeg_lossy_gdcm.dcm"),
    *("SC_rgb_rle.dcm", "SC_rgb_rle_16bit.dcm", "SC_rgb_small_odd.dcm", "SC_rgb_small_odd_big_endian.dcm"),
    *("SC_ybr_full_422_uncompressed.dcm", "examples_rgb_color.dcm", "examples_jpeg2k.dcm"),
)


@pytest.mark.parametrize("name", GREY)
def test_measured_values_are_those_of_pydicom(name: str) -> None:
    path, header = theirs(name)
    expected = apply_modality_lut(header.pixel_array, header).astype(np.float32)
    if "PixelPaddingValue" in header:
        empty = header.pixel_array == header.PixelPaddingValue
        expected[empty] = expected[~empty].min()
    np.testing.assert_array_equal(read_dicom(path, rendering=AS_MEASURED), expected)


def windowed(header: pydicom.Dataset) -> np.ndarray:
    """Return pydicom's windowed values, whose range is that of the stored bits, in [0, 1]."""
    values = apply_voi_lut(apply_modality_lut(header.pixel_array, header), header)
    signed, bits = header.PixelRepresentation, header.BitsStored
    ends = np.asarray([-(1 << bits - 1), (1 << bits - 1) - 1] if signed else [0, (1 << bits) - 1])
    low, high = apply_modality_lut(ends, header)
    return (values - low) / (high - low)


@pytest.mark.parametrize("name", ["693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm", "MR_small.dcm", "examples_overlay.dcm"])
def test_the_files_window_is_that_of_pydicom(name: str) -> None:
    path, header = theirs(name)
    expected = windowed(header)
    if "PixelPaddingValue" in header:
        empty = header.pixel_array == header.PixelPaddingValue
        expected[empty] = expected[~empty].min()
    ours = read_dicom(path, rendering=Rendering(upright=False))
    assert ours.std() > 0
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.parametrize("film", ["CR1/6154", "CR2/6247", "CR3/6278"])
def test_a_radiograph_with_white_as_its_smallest_value_is_inverted(film: str) -> None:
    path, header = theirs(f"dicomdirtests/77654033/{film}")
    assert header.PhotometricInterpretation == "MONOCHROME1"
    ours = read_dicom(path, rendering=Rendering(upright=False))
    np.testing.assert_allclose(ours, 1 - windowed(header), atol=1e-6)


@pytest.mark.parametrize("name", COLOUR)
def test_colour_is_that_of_pydicom_or_its_luma(name: str) -> None:
    path, header = theirs(name)
    rgb = header.pixel_array
    if "YBR_FULL" in header.PhotometricInterpretation and not header.file_meta.TransferSyntaxUID.is_encapsulated:
        raw = pydicom.pixels.pixel_array(header, raw=True)
        np.testing.assert_array_equal(rgb, convert_color_space(raw, "YBR_FULL", "RGB"))
    expected = rgb / ((1 << header.BitsStored) - 1)
    np.testing.assert_allclose(read_dicom(path, colour=True), expected, atol=1e-6)
    np.testing.assert_allclose(read_dicom(path), expected @ [0.299, 0.587, 0.114], atol=1e-6)


def test_a_palette_becomes_colour() -> None:
    path, header = theirs("examples_palette.dcm")
    expected = apply_color_lut(header.pixel_array, header) / 65535
    assert expected.std(axis=2).max() > 0.1
    np.testing.assert_allclose(read_dicom(path, colour=True), expected, atol=1e-6)


def test_one_of_several_frames_must_be_chosen() -> None:
    path, header = theirs("rtdose.dcm")
    with pytest.raises(DataError, match=r"^rtdose.dcm: has 15 frames, not one; choose one with .*frame=.*read_volume"):
        read_dicom(path)
    third = read_dicom(path, rendering=Rendering(window=None, frame=2))
    np.testing.assert_allclose(third, header.pixel_array[2], rtol=1e-6)
    with pytest.raises(DataError, match=r"^rtdose.dcm: frame 15 was asked for, counted from 0, but the file has 15$"):
        read_dicom(path, rendering=Rendering(frame=15))


@pytest.mark.parametrize(
    ("bits", "signed"), [(8, False), (10, False), (12, False), (16, False), (12, True), (16, True)]
)
@pytest.mark.parametrize(
    "syntax", [pydicom.uid.ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_every_depth_and_sign_comes_back(
    tmp_path: Path, write_dicom: WriteDicom, bits: int, signed: bool, syntax: str
) -> None:
    ends = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    pixels = np.linspace(*ends, 35).astype(np.int64).reshape(5, 7)
    kind = f"{'i' if signed else 'u'}{1 if bits == 8 else 2}"
    file = write_dicom(tmp_path / "x.dcm", pixels.astype(kind), syntax=syntax, BitsStored=bits)
    np.testing.assert_array_equal(read_dicom(file, rendering=AS_MEASURED), pixels)
    np.testing.assert_allclose(read_dicom(file), (pixels - ends[0]) / (ends[1] - ends[0]), atol=1e-6)


def test_bits_beyond_those_stored_are_cut_off(tmp_path: Path, write_dicom: WriteDicom) -> None:
    overlay = (RAMP | 0x8000).astype(np.uint16)
    file = write_dicom(tmp_path / "x.dcm", overlay, BitsStored=12)
    np.testing.assert_array_equal(read_dicom(file, rendering=AS_MEASURED), RAMP)


def test_colour_planes_may_lie_one_after_the_other(tmp_path: Path, write_dicom: WriteDicom) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    planar = np.ascontiguousarray(pixels.transpose(2, 0, 1)).reshape(pixels.shape)
    file = write_dicom(tmp_path / "x.dcm", planar, PlanarConfiguration=1)
    np.testing.assert_allclose(read_dicom(file, colour=True), pixels / 255, rtol=1e-6)


def test_a_frontal_radiograph_is_put_upright_unless_told_not_to(tmp_path: Path, write_dicom: WriteDicom) -> None:
    pixels = (RAMP * 20).astype(np.uint8)
    file = write_dicom(tmp_path / "x.dcm", pixels, PatientOrientation=["R", "H"])
    np.testing.assert_allclose(read_dicom(file), pixels[::-1, ::-1] / 255, rtol=1e-6)
    np.testing.assert_allclose(read_dicom(file, rendering=Rendering(upright=False)), pixels / 255, rtol=1e-6)


def test_float_pixels_are_read(tmp_path: Path, dicom_dataset: Callable[..., pydicom.Dataset]) -> None:
    header = dicom_dataset(np.zeros((2, 2), np.uint16))
    del header.PixelData, header.BitsStored, header.HighBit, header.PixelRepresentation
    header.BitsAllocated = 32
    header.FloatPixelData = np.asarray([[0, 0.25], [0.5, 1]], "<f4").tobytes()
    header.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(read_dicom(tmp_path / "x.dcm"), [[0, 0.25], [0.5, 1]])


def test_an_enhanced_image_has_its_rescale_and_window_in_functional_groups(
    tmp_path: Path, write_dicom: WriteDicom
) -> None:
    def group(**macros: dict[str, object]) -> pydicom.Dataset:
        made = pydicom.Dataset()
        for keyword, elements in macros.items():
            item = pydicom.Dataset()
            for name, value in elements.items():
                setattr(item, name, value)
            setattr(made, keyword, [item])
        return made

    shared = group(PixelValueTransformationSequence={"RescaleSlope": 2, "RescaleIntercept": -10, "RescaleType": "HU"})
    own = group(FrameVOILUTSequence={"WindowCenter": 0, "WindowWidth": 20, "VOILUTFunction": "LINEAR_EXACT"})
    file = write_dicom(
        tmp_path / "x.dcm",
        RAMP.astype(np.uint16),
        NumberOfFrames=1,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=[own],
    )
    np.testing.assert_array_equal(read_dicom(file, rendering=AS_MEASURED), RAMP * 2.0 - 10)
    np.testing.assert_allclose(read_dicom(file), np.clip((RAMP * 2.0 - 10) / 20 + 0.5, 0, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("elements", "what"),
    [
        (
            {"WindowCenter": 5, "WindowWidth": 0},
            r"x.dcm: a window of the function LINEAR needs a width at least 1, got 0",
        ),
        ({"PhotometricInterpretation": "HSV"}, r"x.dcm: HSV is not a photometric interpretation that we can show"),
        ({"BitsAllocated": 12}, r"x.dcm: cannot decode pixels of Explicit VR Little Endian, MONOCHROME2, 4 x 3 pixels"),
    ],
)
def test_what_cannot_be_shown_is_told(
    tmp_path: Path, write_dicom: WriteDicom, elements: dict[str, object], what: str
) -> None:
    with pytest.raises(DataError, match=what):
        read_dicom(write_dicom(tmp_path / "x.dcm", RAMP.astype(np.uint16), **elements))


def test_files_without_pixels_or_without_dicom_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^test-SR.dcm: DICOM file without pixel data, or cut off before their end$"):
        read_dicom(theirs("test-SR.dcm")[0])
    (tmp_path / "x.dcm").write_text("hello")
    with pytest.raises(DataError, match=r"^x.dcm: no DICOM file, the prefix 'DICM' is missing at byte 128$"):
        read_dicom(tmp_path / "x.dcm")
    with pytest.raises(DataNotFoundError, match=r"^a/y.dcm: no such image file$"):
        read_dicom(tmp_path / "y.dcm", name="a/y.dcm")


def test_jpeg_of_12_bits_says_what_it_takes() -> None:
    path, _ = theirs("JPEG-lossy.dcm")
    try:
        assert read_dicom(path).shape == (1024, 256)  # where pylibjpeg-libjpeg is
    except DataError as error:
        assert "JPEG Extended (Process 2 and 4), MONOCHROME2" in str(error)  # noqa: PT017
        assert "pylibjpeg-libjpeg (GPL)" in str(error)  # noqa: PT017


def test_an_image_says_its_view_and_sizes_and_no_more(tmp_path: Path, write_dicom: WriteDicom) -> None:
    file = write_dicom(
        tmp_path / "x.dcm",
        RAMP.astype(np.uint16),
        Modality="DX",
        ViewPosition="PA",
        BodyPartExamined="chest of J. Doe",
        ImagerPixelSpacing=[0.143, 0.15],
        Manufacturer="ACME",
        PatientName="Doe^Jane",
        PatientSex="F",
        StudyDate="20200101",
    )
    assert read_about(file) == {
        "modality": "DX",
        "view": "PA",
        "photometric_interpretation": "MONOCHROME2",
        "rows": "3",
        "columns": "4",
        "frames": "1",
        "bits_stored": "16",
        "imager_pixel_spacing": "0.143 0.15",
        "manufacturer": "ACME",
    }


def test_run_lengths_of_our_own_come_back(tmp_path: Path, dicom_dataset: Callable[..., pydicom.Dataset]) -> None:
    pixels = np.repeat(np.arange(8, dtype=np.uint8), 8).reshape(8, 8)
    header = dicom_dataset(pixels)
    header.compress(RLELossless, encoding_plugin="pydicom")
    assert header.PixelData != encapsulate([pixels.tobytes()])
    header.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    np.testing.assert_allclose(read_dicom(tmp_path / "x.dcm"), pixels / 255, rtol=1e-6)
