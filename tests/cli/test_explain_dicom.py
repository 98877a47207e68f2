"""`sightline explain --dicom`: results of DICOM images as DICOM objects, beside the pictures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from sightline.cli.main import main
from sightline.cli.opening import open_run
from sightline.data import read_cohort
from sightline.data.readers.volume import read_volume
from sightline.models import build_model, save_weights
from sightline.reporting import map_folder
from sightline.reporting.dicom import open_source, place_map

from ..reporting.dicom.made import ct_series, radiograph, save, turned

pytest.importorskip("highdicom", reason="highdicom is not installed (extra 'dicom')")
KINDS = ["map", "overlay", "region", "report"]


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_folder, "SIDE", 64)


@pytest.fixture
def run(demo: Path) -> Path:
    return demo / "isnet"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return save(turned(radiograph(), ("F", "R")), tmp_path / "study" / "film.dcm")


def explain(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert main(["explain", "-q", *map(str, words), "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_objects_hold_the_map_and_the_answer(
    run: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [run, film.parent, "--dicom", "--maps", "npy", "--target", "pneumonia", "--out", tmp_path / "maps"]
    told = explain(capsys, *words)
    (case,) = told["cases"]
    folder, entry = Path(told["folder"]) / case["folder"], case["maps"]["lrp"]
    assert entry["dicom"] == [f"lrp.{kind}.dcm" for kind in KINDS]
    read = {kind: pydicom.dcmread(folder / f"lrp.{kind}.dcm") for kind in KINDS}
    settings, _ = open_run(run)
    placed = place_map(np.load(folder / entry["file"]), open_source(film), settings.data.preprocessing)
    np.testing.assert_array_equal(read["map"].pixel_array, placed[0])
    assert read["map"].ManufacturerModelName == settings.name
    assert read["map"].DeviceSerialNumber == entry["weights_sha256"][:16]
    report = read["report"].to_json()
    assert entry["weights_sha256"] in report
    assert "pneumonia" in read["map"].ContentDescription
    times = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    explain(capsys, *words)
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == times, "nothing is made twice"
    (folder / "lrp.region.dcm").unlink()
    explain(capsys, *words)
    assert pydicom.dcmread(folder / "lrp.region.dcm").SOPInstanceUID == read["region"].SOPInstanceUID


def test_maps_that_were_drawn_without_objects_get_them(
    run: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [run, film, "--out", tmp_path / "maps", "--method", "saliency"]
    assert "dicom" not in explain(capsys, *words)["cases"][0]["maps"]["saliency"]
    assert len(explain(capsys, *words, "--dicom")["cases"][0]["maps"]["saliency"]["dicom"]) == 4


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["explain", "-q", *map(str, words)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    return told.err


def test_what_cannot_be_written_is_one_line(
    run: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((40, 30), np.uint8)).save(tmp_path / "x.png")
    out = tmp_path / "maps"
    told = refusal(capsys, run, film, tmp_path / "x.png", "--dicom", "--out", out)
    assert "--dicom: x.png is not DICOM, so there is no study that a result belongs to" in told
    assert "(and 2 more) is not DICOM" in refusal(capsys, run, "--number", 3, "--dicom", "--out", out)
    assert "--dicom: a result is about one class" in refusal(
        capsys, run, film, "--dicom", "--target", "every", "--out", out
    )
    assert not out.exists()


@pytest.fixture
def volumetric(run: Path, tmp_path: Path) -> Path:
    """A run of a model of CT volumes."""
    folder = tmp_path / "volumetric"
    folder.mkdir()
    text = (run / "config.yaml").read_text().replace("options: {}", "options: {dimensions: 3}")
    assert "  volume: null" in text
    text = text.replace("  volume: null", "  volume: {shape: [16, 32, 32], window: [-1000, 800]}")
    (folder / "config.yaml").write_text(text)
    settings, opened = open_run(folder)
    assert settings.data.volume is not None
    classes = read_cohort(settings.data.cohort).num_classes
    save_weights(build_model(settings.model, num_classes=classes, seed=0), opened.weights)
    return folder


def test_a_series_is_one_case_for_a_model_of_volumes(
    volumetric: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ct_series(tmp_path / "scans" / "ct")
    ct_series(tmp_path / "scans" / "other", away=True)
    words = ["--dicom", "--maps", "npy", "--out", tmp_path / "maps"]
    told = explain(capsys, volumetric, tmp_path / "scans", *words)
    assert [case["case"] for case in told["cases"]] == ["ct", "other"]
    entry = told["cases"][0]["maps"]["lrp"]
    read = pydicom.dcmread(tmp_path / "maps" / "ct" / "lrp.map.dcm")
    source = open_source(folder)
    settings, _ = open_run(volumetric)
    assert settings.data.volume is not None
    placed = place_map(np.load(tmp_path / "maps" / "ct" / entry["file"]), source, settings.data.volume)
    derived = [frame.DerivationImageSequence[0] for frame in read.PerFrameFunctionalGroupsSequence]
    uids = [str(header.SOPInstanceUID) for header in source.headers]
    order = [uids.index(str(each.SourceImageSequence[0].ReferencedSOPInstanceUID)) for each in derived]
    np.testing.assert_array_equal(read.pixel_array, placed[order])
    assert read.pixel_array.shape == read_volume(folder).values.shape == (12, 28, 30)
    alone = explain(capsys, volumetric, folder, "--out", tmp_path / "alone")
    assert [case["case"] for case in alone["cases"]] == ["ct"]
