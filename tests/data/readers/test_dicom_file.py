from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels.decoders import JPEG2000Decoder, JPEGLosslessSV1Decoder
from pydicom.uid import MPEG2MPML

from sightline.data.readers.dicom_file import TAGS, broken_is_data_error, code, open_dicom, stored_pixels
from sightline.errors import DataError, MissingExtraError

WriteDicom = Callable[..., Path]


def test_nothing_about_the_patient_is_read_from_a_file(tmp_path: Path, write_dicom: WriteDicom) -> None:
    personal = {"PatientName": "Doe^Jane", "PatientID": "4711", "PatientBirthDate": "19700101", "StudyDate": "20200101"}
    file = write_dicom(tmp_path / "x.dcm", np.zeros((2, 2), np.uint8), **personal, InstitutionName="St. Elsewhere")
    for pixels in (False, True):
        header = open_dicom(file, pixels=pixels, name="x")
        assert {element.keyword for element in header} <= {*TAGS, "PixelData", "SpecificCharacterSet"}
        assert not any(word in str(header) for word in ("Doe", "4711", "1970", "2020", "Elsewhere"))
    groups = {pydicom.datadict.tag_for_keyword(keyword) >> 16 for keyword in TAGS}  # type: ignore[operator]
    assert 0x0010 not in groups


@pytest.mark.parametrize(
    ("name", "decoder"), [("JPEG2000.dcm", JPEG2000Decoder), ("SC_rgb_jpeg_gdcm.dcm", JPEGLosslessSV1Decoder)]
)
def test_a_missing_codec_names_the_transfer_syntax_and_the_extra(
    monkeypatch: pytest.MonkeyPatch, name: str, decoder: pydicom.pixels.decoders.base.Decoder
) -> None:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    header = open_dicom(Path(path), pixels=True, name=name)
    monkeypatch.setattr(decoder, "_available", {})
    with pytest.raises(
        MissingExtraError, match=r"needs the extra 'dicom': pip install 'sightline\[dicom\]'$"
    ) as caught:
        stored_pixels(header, name=name)
    assert f"{name}: reading {header.file_meta.TransferSyntaxUID.name} needs" in str(caught.value)


@pytest.mark.parametrize(("syntax", "named"), [(MPEG2MPML, "MPEG2"), ("1.2.3.4.5", "unknown")])
def test_a_transfer_syntax_without_a_decoder_is_told(
    tmp_path: Path, write_dicom: WriteDicom, syntax: str, named: str
) -> None:
    file = write_dicom(tmp_path / "x.dcm", np.zeros((2, 2), np.uint8))
    header = open_dicom(file, pixels=True, name="x.dcm")
    header.file_meta.TransferSyntaxUID = syntax
    with pytest.raises(DataError, match=rf"^x.dcm: transfer syntax {named}.* is not one we can read$"):
        stored_pixels(header, name="x.dcm")


def test_whatever_is_raised_on_a_broken_file_becomes_a_data_error_without_its_words() -> None:
    with (
        pytest.raises(DataError, match=r"^x: unreadable or truncated DICOM file \(KeyError\)$"),
        broken_is_data_error("x"),
    ):
        raise KeyError("Doe^Jane")
    with pytest.raises(MissingExtraError), broken_is_data_error("x"):
        raise MissingExtraError("stays")


@pytest.mark.parametrize(("value", "word"), [("MONOCHROME1", "MONOCHROME1"), (" PA ", "PA"), ("Jane", ""), (None, "")])
def test_only_coded_words_are_passed_on(value: str | None, word: str) -> None:
    assert code(value) == word
