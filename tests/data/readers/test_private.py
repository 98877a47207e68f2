"""Nothing that a header says about a patient comes out: not in values, errors, warnings, logs or on the terminal."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian

from sightline.data.check import check_cohort
from sightline.data.cohort import Case, Cohort
from sightline.data.readers import Rendering, read_about, read_mask, read_pixels, read_volume
from sightline.errors import SightlineError

WriteDicom = Callable[..., Path]
SECRETS = {
    "PatientName": "Qwertz^Ulrike",
    "PatientID": "PID0815",
    "PatientBirthDate": "19470812",
    "PatientSex": "O",
    "PatientAge": "077Y",
    "PatientAddress": "Musterweg 12",
    "StudyDate": "20190214",
    "StudyTime": "131415.5",
    "AccessionNumber": "ACC4711",
    "InstitutionName": "Klinikum Nirgendwo",
    "ReferringPhysicianName": "Aerztin^Erika",
    "StudyDescription": "Thorax Frau Qwertz",
    "SeriesDescription": "pa Qwertz",
    "StationName": "STATION77",
    "ProtocolName": "Qwertz special",
    "StudyInstanceUID": "1.2.826.0.1.99991",
    "SeriesInstanceUID": "1.2.826.0.1.99992",
    "SOPInstanceUID": "1.2.826.0.1.99993",
    "ImageComments": "sees PID0815",
    "LossyImageCompressionMethod": "QWERTZ",
}
MARKS = (*SECRETS.values(), "Qwertz", "QWERTZ", "Ulrike", "9999")
MARKS = tuple(mark for mark in MARKS if mark != "O")
PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)
PLANE = {"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1]}
READERS: tuple[Callable[[Path], Any], ...] = (
    read_pixels,
    lambda path: read_pixels(path, rendering=Rendering(window=None)),
    read_about,
    read_volume,
    lambda path: read_volume(path.parent),
    read_mask,
    lambda path: read_mask(path, image=path),
    lambda path: check_cohort(Cohort(path.parent, "binary", ("a", "b"), (Case("1", path, 0, "p"),)), pixels=True),
)


def secrets_in(text: str) -> list[str]:
    return [mark for mark in MARKS if mark in text]


@pytest.mark.parametrize(
    "elements",
    [
        {},
        PLANE,
        {"syntax": ExplicitVRBigEndian},
        {"NumberOfFrames": 3},
        {"WindowCenter": 1, "WindowWidth": 0},
        {"PhotometricInterpretation": "QWERTZ"},
        {"Modality": "PID0815 19470812 X", "ViewPosition": "Qwertz^Ulrike"},
        {"BitsStored": 99},
        {"PatientOrientation": ["Qwertz", "Ulrike"]},
        {"VOILUTFunction": "QWERTZ"},
        {**PLANE, "SOPClassUID": "1.2.840.10008.1.5.1.4.1.1.66.4"},
        {**PLANE, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"},
    ],
)
def test_nothing_comes_out_of_any_reader(
    tmp_path: Path,
    write_dicom: WriteDicom,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    elements: dict[str, Any],
) -> None:
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        file = write_dicom(tmp_path / "scan" / "x.dcm", PIXELS, **(SECRETS | elements))
    whole = file.read_bytes()
    said: list[str] = []
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for end in (len(whole), len(whole) - 9, len(whole) // 2, len(whole) // 4, 300):
            file.write_bytes(whole[:end])
            for read in READERS:
                try:
                    said.append(repr(read(file)))
                except SightlineError as error:
                    said.append(f"{error} {error!r} {error.__cause__!r}")
    terminal = capfd.readouterr()
    said += [str(warning.message) for warning in warned] + [caplog.text, terminal.out, terminal.err]
    assert len(said) > 5 * len(READERS)
    assert [secret for text in said for secret in secrets_in(text)] == []


def test_the_marks_would_be_found(tmp_path: Path, write_dicom: WriteDicom) -> None:
    file = write_dicom(tmp_path / "x.dcm", PIXELS, **SECRETS)
    assert len(secrets_in(str(pydicom.dcmread(file)))) > 15
