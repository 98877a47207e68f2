"""From a study in a real archive to its results in it: Orthanc is started by the test, on the loopback."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

from sightline.cli.main import main

from ..pacs.orthanc import needs, running, unset_environment
from ..reporting.dicom.made import radiograph, save, turned

pytest.importorskip("highdicom", reason="highdicom is not installed (extra 'dicom')")
pytest.importorskip("dicomweb_client", reason="dicomweb-client is not installed (extra 'pacs')")
KINDS = {"map", "overlay", "region", "report"}


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    unset_environment(monkeypatch)


@pytest.fixture(scope="module")
def archive() -> Iterator[str]:
    needs()
    with running(users={"ulrike": "Hush"}) as url:
        yield url


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_PACS_USER", "ulrike")
    monkeypatch.setenv("SIGHTLINE_PACS_PASSWORD", "Hush")


@pytest.fixture
def film(archive: str, known: None, tmp_path: Path) -> pydicom.Dataset:
    """A radiograph in the archive."""
    from sightline.pacs import Server

    film = pydicom.dcmread(save(turned(radiograph(), ("R", "F")), tmp_path / "sent.dcm"))
    Server(archive).connect().store_instances([film])
    return film


def pacs(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    assert main(["pacs", *map(str, words), "-q", "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def references(node: pydicom.Dataset) -> set[str]:
    """All SOP instances that an object refers to."""
    found = set()
    for element in node.iterall():
        if element.keyword == "ReferencedSOPInstanceUID":
            found.add(str(element.value))
    return found


def test_a_study_goes_in_and_its_results_come_out(
    demo: Path, archive: str, film: pydicom.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sightline.pacs import Server

    study = str(film.StudyInstanceUID)
    (found,) = [each for each in pacs(capsys, "find", archive, "--modality", "DX") if each["uid"] == study]
    assert found["instances"] == 1
    words = ["explain", demo / "isnet", archive, "--study", study]
    (first,) = pacs(capsys, *words)
    assert first["stored"].keys() == KINDS
    assert sum(first["probabilities"].values()) == pytest.approx(1)
    (second,) = pacs(capsys, *words)
    assert (second["stored"], second["kept"]) == ({}, first["stored"])
    (third,) = pacs(capsys, *words, "--again", "--keep", tmp_path / "kept")
    assert not set(third["stored"].values()) & set(first["stored"].values())
    assert len(list((tmp_path / "kept" / "results").iterdir())) == 4

    client = Server(archive).connect()
    listed = [pydicom.Dataset.from_json(each) for each in client.search_for_instances(study_instance_uid=study)]
    assert len(listed) == 1 + 4 + 4
    there = {str(each.SOPInstanceUID): each for each in listed}
    objects = {}
    for kind, uid in first["stored"].items():
        each = client.retrieve_instance(study, str(there[uid].SeriesInstanceUID), uid)
        each.save_as(tmp_path / f"{kind}.dcm", enforce_file_format=True)
        objects[kind] = pydicom.dcmread(tmp_path / f"{kind}.dcm")
        assert objects[kind].PatientID == film.PatientID
        assert str(objects[kind].PatientName) == str(film.PatientName)
        assert references(objects[kind]) <= there.keys()
        assert str(film.SOPInstanceUID) in references(objects[kind])
    assert objects["map"].pixel_array.shape == (film.Rows, film.Columns)
    assert references(objects["report"]) >= {first["stored"][kind] for kind in KINDS - {"report"}}

    (series,) = pacs(capsys, "read", archive, "--study", study, "--out", tmp_path / "read")
    assert (series["modality"], series["images"]) == ("DX", 1), "results are not read as images"


def test_explain_on_a_file_gives_the_same_identifiers(
    demo: Path, archive: str, film: pydicom.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (told,) = pacs(capsys, "explain", demo / "isnet", archive, "--study", film.StudyInstanceUID, "--target", "0")
    words = [demo / "isnet", tmp_path / "sent.dcm", "--dicom", "--target", "0", "--out", tmp_path / "maps"]
    assert main(["explain", "-q", *map(str, words)]) == 0
    made = {kind: pydicom.dcmread(tmp_path / "maps" / "sent" / f"lrp.{kind}.dcm") for kind in told["stored"]}
    assert {kind: str(each.SOPInstanceUID) for kind, each in made.items()} == told["stored"]


def test_a_mistake_is_one_line(
    demo: Path, archive: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cases = [
        (["find", archive], 1, "it wants to know who asks"),
        (["find", "http://ulrike:Hush@127.0.0.1/"], 2, "must not hold a user or a password"),
        (["read", archive, "--study", "x", "--out", tmp_path], 2, "the study must be a UID"),
        (["explain", tmp_path, archive, "--study", "1.2"], 2, "is not a run folder"),
        (["explain", demo / "isnet", archive, "--study", "1.2", "--method", "al"], 2, "unknown method 'al'"),
        (["find"], 2, "required: URL"),
    ]
    for words, code, message in cases:
        assert main(["pacs", *map(str, words)]) == code
        told = capsys.readouterr()
        assert message in told.err
        assert told.err.count("\n") == 1
        assert "Hush" not in told.err
    monkeypatch.setenv("SIGHTLINE_PACS_USER", "ulrike")
    monkeypatch.setenv("SIGHTLINE_PACS_PASSWORD", "Hush")
    assert main(["pacs", "explain", str(demo / "isnet"), archive, "--study", "1.2.3"]) == 2
    assert "has no study 1.2.3" in capsys.readouterr().err
