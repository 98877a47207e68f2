from pathlib import Path

import pydicom
import pytest

from sightline.errors import ServerError
from sightline.pacs import Server, present, store_objects, storing

from ..reporting.dicom.made import radiograph, save
from .conftest import Scripted


@pytest.fixture
def objects(tmp_path: Path) -> dict[str, pydicom.Dataset]:
    first, second = radiograph(), radiograph()
    second.StudyInstanceUID = first.StudyInstanceUID
    return {
        kind: pydicom.dcmread(save(made, tmp_path / f"{kind}.dcm"))
        for kind, made in (("map", first), ("report", second))
    }


def test_objects_are_stored_once_and_found(archive: str, objects: dict[str, pydicom.Dataset]) -> None:
    server, study = Server(archive), str(objects["map"].StudyInstanceUID)
    alone = store_objects(server, {"map": objects["map"]})
    assert list(alone.new) == ["map"]
    stored = store_objects(server, objects)
    assert (list(stored.new), list(stored.kept)) == (["report"], ["map"])
    uids = {str(made.SOPInstanceUID) for made in objects.values()}
    assert present(server, study, [*uids, "1.2.3"]) == uids
    assert not store_objects(server, objects).new


def test_a_server_that_loses_what_it_took_is_told(
    scripted: Scripted, objects: dict[str, pydicom.Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "_BETWEEN_S", 0)
    scripted.rule = lambda path, query: (200, [] if query or path.endswith("instances") else {})
    with pytest.raises(ServerError, match="took the results and does not find them: map, report"):
        store_objects(Server(scripted.url), objects)


def test_a_refusal_is_told(scripted: Scripted, objects: dict[str, pydicom.Dataset]) -> None:
    failed = {"00081198": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}]}}
    scripted.rule = lambda path, query: (200, []) if path.endswith("instances") else (409, failed)
    with pytest.raises(ServerError, match="refuses to store it"):
        store_objects(Server(scripted.url), objects)
    scripted.rule = lambda path, query: (200, []) if path.endswith("instances") else (202, failed)
    with pytest.raises(ServerError, match="did not store 1 of 2 results"):
        store_objects(Server(scripted.url), objects)
