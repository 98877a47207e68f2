from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import get_frame

from sightline.data.readers.dicom import read_dicom
from sightline.data.readers.jpeg_lossless import tidied
from sightline.errors import DataError

NAME = "SC_rgb_jpeg_gdcm.dcm"  # with Adobe's marker


@pytest.fixture
def header() -> pydicom.FileDataset:
    path = get_testdata_file(NAME, download=False)
    if path is None:
        pytest.skip(f"{NAME} does not come with this pydicom")
    return pydicom.dcmread(path)


@pytest.fixture
def codestream(header: pydicom.FileDataset) -> bytes:
    return get_frame(header.PixelData, 0, number_of_frames=1)


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def test_sizes_are_told_and_application_data_left_out(codestream: bytes) -> None:
    kept, sizes = tidied(codestream)
    assert sizes == (8, 100, 100, 3)
    talkative = codestream[:2] + segment(0xE1, b"Doe^Jane") + segment(0xFE, b"a comment") + codestream[2:]
    assert tidied(talkative) == (kept, sizes)
    assert tidied(kept) == (kept, sizes)


def test_pixels_are_those_of_the_same_picture_in_run_lengths(header: pydicom.FileDataset) -> None:
    pytest.importorskip("gdcm")
    same = get_testdata_file("SC_rgb_rle.dcm", download=False)
    read = read_dicom(Path(str(header.filename)), colour=True)
    np.testing.assert_array_equal(np.rint(read * 255), pydicom.dcmread(str(same)).pixel_array)


@pytest.mark.parametrize(
    "broken",
    [
        lambda stream: stream[: len(stream) // 2],
        lambda stream: stream[2:],
        lambda stream: stream.replace(b"\xff\xc3", b"\xff\xc0", 1),  # not lossless
        lambda stream: stream[:2] + segment(0xC3, b"\x08\x00\x64\x00\x64\x05") + stream[2:],
        lambda stream: stream[:2] + segment(0xC4, b"\x00" * 17) + stream[2:],
        lambda stream: stream[:2] + segment(0xC4, b"\x00" + b"\xff" * 16 + b"\x00" * 4080) + stream[2:],
        lambda stream: stream[:2] + segment(0xD8, b"") + stream[2:],
    ],
)
def test_a_broken_codestream_is_told_before_it_is_decoded(codestream: bytes, broken: Callable[[bytes], bytes]) -> None:
    with pytest.raises((ValueError, IndexError)):
        tidied(broken(codestream))


@pytest.mark.parametrize("change", [{"Rows": 99}, {"BitsStored": 16, "BitsAllocated": 16}, {"SamplesPerPixel": 1}])
def test_a_header_of_other_sizes_is_refused(
    tmp_path: Path, header: pydicom.FileDataset, change: dict[str, int]
) -> None:
    pytest.importorskip("gdcm")
    for keyword, value in change.items():
        setattr(header, keyword, value)
    header.save_as(tmp_path / "x.dcm")
    with pytest.raises(
        DataError, match=r"^x.dcm: cannot decode pixels of JPEG Lossless, .*\(ValueError\); truncated\?$"
    ):
        read_dicom(tmp_path / "x.dcm")
