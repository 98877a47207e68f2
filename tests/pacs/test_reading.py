"""Images of a study come into a folder once, whole, and only those that are wanted."""

import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from sightline.errors import DataNotFoundError, ServerError, SettingsError, SightlineError
from sightline.pacs import Server, find_studies, read_study

from ..reporting.dicom.made import CT, DX, ct_series, dataset, radiograph, save
from .conftest import Scripted


def give(url: str, *files: Path) -> None:
    Server(url).connect().store_instances([pydicom.dcmread(file) for file in files])


@pytest.fixture
def study(archive: str, tmp_path: Path) -> str:
    """A study of a radiograph, one for processing, a CT and a picture of another kind."""
    uid = generate_uid()
    made = radiograph(StudyInstanceUID=uid)
    raw = radiograph(StudyInstanceUID=uid)
    raw.SOPClassUID = f"{DX}.1"
    other = dataset(
        np.zeros((4, 4), np.uint16), sop_class="1.2.840.10008.5.1.4.1.1.7", modality="OT", StudyInstanceUID=uid
    )
    files = [save(each, tmp_path / "sent" / f"{number}.dcm") for number, each in enumerate((made, raw, other))]
    folder = ct_series(tmp_path / "sent" / "ct", slices=4)
    for file in folder.iterdir():
        slice_ = pydicom.dcmread(file)
        slice_.StudyInstanceUID = uid
        slice_.save_as(file)
    give(archive, *files, *folder.iterdir())
    return str(uid)


def test_only_images_meant_to_be_seen_come_and_only_once(archive: str, study: str, tmp_path: Path) -> None:
    server, out = Server(archive), tmp_path / "out"
    told: list[tuple[int, int]] = []
    first = read_study(server, study, out, progress=lambda done, total: told.append((done, total)))
    assert sorted((one.modality, one.images, one.fetched) for one in first) == [("CT", 4, 4), ("DX", 1, 1)]
    assert told == [(number, 5) for number in range(1, 6)]
    files = sorted(out.rglob("*"))
    assert not [file for file in files if file.name.startswith(".")]
    read = [pydicom.dcmread(file) for file in files if file.is_file()]
    assert sorted(each.SOPClassUID for each in read) == [DX, CT, CT, CT, CT]
    assert all(file.stem == pydicom.dcmread(file).SOPInstanceUID for file in files if file.is_file())
    sent = {pydicom.dcmread(file).SOPInstanceUID: pydicom.dcmread(file) for file in (tmp_path / "sent").rglob("*.dcm")}
    for each in read:
        np.testing.assert_array_equal(each.pixel_array, sent[each.SOPInstanceUID].pixel_array)
    times = {file: file.stat().st_mtime_ns for file in files if file.is_file()}
    lost = next(file for file in times if file.parent.name.startswith("CT"))
    lost.unlink()
    second = read_study(server, study, out, modalities=("CT",))
    assert [(one.images, one.fetched) for one in second] == [(4, 1)]
    assert {file for file in times if file.stat().st_mtime_ns != times[file]} == {lost}
    (found,) = [each for each in find_studies(server, dates="20260214", limit=None) if each.uid == study]
    assert found.modalities == ("CT", "DX", "OT")
    assert found.instances == 7


def test_what_is_not_there_is_told(archive: str, study: str, tmp_path: Path) -> None:
    server = Server(archive)
    with pytest.raises(DataNotFoundError, match=r"has no study 1\.2\.3"):
        read_study(server, "1.2.3", tmp_path / "out")
    with pytest.raises(DataNotFoundError, match="holds no images of MR that are meant to be seen; it holds CT, DX, OT"):
        read_study(server, study, tmp_path / "out", modalities=("MR",))
    with pytest.raises(SettingsError, match="the study must be a UID"):
        read_study(server, "../../etc", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def answers(scripted: Scripted, uid: str, image: tuple[int, object]) -> None:
    """A study of one series of one image, whose identifier is `uid`; pages are of one."""

    def rule(path: str, query: dict[str, list[str]]) -> tuple[int, object]:
        if "/instances/" in path:
            return image
        if query.get("offset", ["0"]) != ["0"]:
            return 200, []
        series = {"0020000E": {"vr": "UI", "Value": ["1.2.3"]}, "00080060": {"vr": "CS", "Value": ["DX"]}}
        one = {"00080018": {"vr": "UI", "Value": [uid]}, "00080016": {"vr": "UI", "Value": [DX]}}
        return 200, [one if path.endswith("/instances") else series]

    scripted.rule = rule


def test_names_of_the_server_are_no_paths(scripted: Scripted, tmp_path: Path) -> None:
    answers(scripted, "../../../evil", (200, b""))
    # pydicom, or we: by its version
    with pytest.raises(SightlineError, match=r"SOPInstanceUID of the server must be a UID|does not answer"):
        read_study(Server(scripted.url), "1.2", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ((406, b""), "has it in no transfer syntax that it would send"),
        ((200, b"no DICOM"), "does not answer as DICOMweb does"),
        ((500, b""), "failed"),
    ],
)
def test_an_image_that_does_not_come_leaves_nothing_behind(
    scripted: Scripted, tmp_path: Path, image: tuple[int, object], words: str
) -> None:
    answers(scripted, "1.2.3.4", image)
    with pytest.raises(ServerError, match=words):
        read_study(Server(scripted.url), "1.2", tmp_path / "out")
    assert not [file for _, _, files in os.walk(tmp_path) for file in files]


def test_a_server_that_knows_no_pages_ends_all_the_same(scripted: Scripted, tmp_path: Path) -> None:
    answers(scripted, "1.2.3.4", (500, b""))
    paged, scripted.rule = scripted.rule, lambda path, query: paged(path, {})
    with pytest.raises(ServerError, match="failed"):
        read_study(Server(scripted.url), "1.2", tmp_path / "out")
    assert len(scripted.asked) < 10
