"""What holds for every object: it is valid, belongs to the patient and study of its source, and gives nothing away."""

import copy
import logging
import shutil
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from sightline.errors import SightlineError
from sightline.reporting.dicom import Maker, Result, Source, make_objects, open_source, write_objects

from .made import PATIENT, radiograph, save

KINDS = {
    "map": "1.2.840.10008.5.1.4.1.1.30",
    "overlay": "1.2.840.10008.5.1.4.1.1.7",
    "region": "1.2.840.10008.5.1.4.1.1.66.4",
    "report": "1.2.840.10008.5.1.4.1.1.88.33",
}
EXPECTED_WARNINGS = (
    "99SIGHTLINE",  # our own codes
    "2.25.",  # and the identifier of their scheme
    "DICOMDIR",
    "<QUANTITY>",  # of PS3.3 C.8.32.2, which dciodvfy does not know
    "<Laterality>",  # empty where nobody names the part of the body
)


@pytest.fixture(params=["film", "series"])
def each(request: pytest.FixtureRequest) -> tuple[Result, Source]:
    return request.getfixturevalue(f"{request.param}_result"), request.getfixturevalue(request.param)


def test_objects_are_of_the_source_s_patient_and_study(
    each: tuple[Result, Source], maker: Maker, tmp_path: Path
) -> None:
    result, source = each
    names = write_objects(make_objects(result, source, maker), tmp_path, "lrp")
    assert names == [f"lrp.{kind}.dcm" for kind in KINDS]
    series = set()
    for name, sop_class in zip(names, KINDS.values(), strict=True):
        read = pydicom.dcmread(tmp_path / name)
        assert read.SOPClassUID == read.file_meta.MediaStorageSOPClassUID == sop_class
        for keyword in ("PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber", "StudyID"):
            assert read[keyword].value == PATIENT[keyword]
        assert str(read.PatientName) == PATIENT["PatientName"]
        assert read.StudyInstanceUID == source.first.StudyInstanceUID
        for uid in (read.SOPInstanceUID, read.SeriesInstanceUID):
            assert uid.startswith("2.25.")
            assert uid.is_valid
        assert read.SeriesInstanceUID != source.first.SeriesInstanceUID
        assert "research only" in read.SeriesDescription
        assert read.DeviceSerialNumber == maker.weights_sha256[:16]
        series.add(read.SeriesInstanceUID)
    assert len(series) == 4


def test_dciodvfy_finds_no_error(each: tuple[Result, Source], maker: Maker, tmp_path: Path) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (apt: dicom3tools)")
    for name in write_objects(make_objects(*each, maker), tmp_path, "lrp"):
        told = subprocess.run(["dciodvfy", tmp_path / name], capture_output=True, text=True, check=False).stderr
        assert not [line for line in told.splitlines() if line.startswith(("Error", "Abort"))]
        odd = [line for line in told.splitlines() if line.startswith("Warning")]
        assert not [line for line in odd if not any(words in line for words in EXPECTED_WARNINGS)]


def test_asked_again_the_identifiers_are_the_same(film_result: Result, film: Source, maker: Maker) -> None:
    first, second = (make_objects(film_result, film, maker) for _ in range(2))
    assert {k: made.SOPInstanceUID for k, made in first.items()} == {
        k: made.SOPInstanceUID for k, made in second.items()
    }
    for other in (
        make_objects(film_result, film, replace(maker, again="1")),
        make_objects(film_result, film, replace(maker, method="grad_cam")),
        make_objects(film_result, film, replace(maker, weights_sha256="0" * 64)),
        make_objects(replace(film_result, target="normal"), film, maker),
    ):
        assert not {made.SOPInstanceUID for made in first.values()} & {made.SOPInstanceUID for made in other.values()}


@pytest.mark.parametrize(
    ("character_set", "name"),
    [("ISO_IR 100", "Müßtermann^Änne"), ("ISO_IR 192", "Sørensen^Åse^病"), ("ISO_IR 144", "Ж^Я")],
)
def test_names_and_classes_of_any_script_survive(
    tmp_path: Path, film_result: Result, maker: Maker, character_set: str, name: str
) -> None:
    film = radiograph(SpecificCharacterSet=character_set, PatientName=name, PatientOrientation=["R", "F"])
    source = open_source(save(film, tmp_path / "film.dcm"))
    result = replace(film_result, target="Größe 病")
    for file in write_objects(make_objects(result, source, maker), tmp_path, "lrp"):
        read = pydicom.dcmread(tmp_path / file)
        assert str(read.PatientName) == name
        if "SegmentSequence" in read:
            assert "Größe 病" in read.SegmentSequence[0].SegmentLabel


BROKEN = {
    "PatientBirthDate": "Qwertz",
    "PatientSex": "Qwertz",
    "PatientName": "Qwertz Ulrike Klinikum",
    "StudyDate": "Qwertz",
    "StudyTime": "Qwertz",
    "PatientOrientation": ["Qwertz", "Qwertz"],
    "InstanceNumber": -3,
    "AccessionNumber": "Qwertz" * 9,
    "StudyID": "Qwertz" * 9,
}


@pytest.mark.parametrize("keyword", BROKEN)
def test_an_odd_header_gives_nothing_away(
    tmp_path: Path,
    film_result: Result,
    maker: Maker,
    keyword: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        film = radiograph()
        setattr(film, keyword, copy.deepcopy(BROKEN[keyword]))
        path = save(film, tmp_path / "film.dcm")
    caplog.clear()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            told = str(len(write_objects(make_objects(film_result, open_source(path), maker), tmp_path, "lrp")))
        except SightlineError as error:
            told = str(error)
    streams = capfd.readouterr()
    for text in (told, caplog.text, streams.out, streams.err, *(str(each.message) for each in seen)):
        assert "Qwertz" not in text
