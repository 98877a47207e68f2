import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sightline import __version__
from sightline.cli import drawing
from sightline.cli.main import main
from sightline.reporting import map_folder

DEADLY = """
import os

from sightline.cli.drawing import draw_unit


def deadly(unit):
    if "p00024" in unit.some.names:
        os._exit(9)
    return draw_unit(unit)
"""


@pytest.fixture
def words(demo: Path) -> list[str]:
    """Five cases in three batches."""
    words = ["explain", "-q", str(demo / "isnet"), "--number", "5", "--batch-size", "2"]
    return [*words, "--method", "lrp", "--maps", "npy", "--out"]


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_folder, "SIDE", 64)  # but not in other processes


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, of pictures their names; hidden files were left by a process that was killed."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.startswith(".")]
    return {file.relative_to(folder).as_posix(): b"" if file.suffix == ".png" else file.read_bytes() for file in files}


def kill_one_when(folder: Path, pattern: str) -> threading.Thread:
    """Kill a child of this process as soon as there is a file."""

    def kill() -> None:
        while not list(folder.rglob(pattern)):
            time.sleep(0.005)
        os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_processes_and_a_cluster_draw_what_one_process_draws(
    words: list[str], cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*words, "one"]) == 0
    assert len(list((tmp_path / "one").rglob("*.npy"))) == 5
    killing = kill_one_when(tmp_path / "two", "maps.json")
    assert main([*words, "two", "--jobs", "2"]) == 0
    killing.join()
    assert main([*words, "dask", "--cluster", cluster]) == 0
    whole = contents(tmp_path / "one")
    assert contents(tmp_path / "two") == whole
    assert contents(tmp_path / "dask") == whole
    record = json.loads(next((tmp_path / "two").rglob("maps.json")).read_text())
    assert record["maps"]["lrp"]["sightline"] == __version__


@pytest.mark.slow
def test_cases_that_end_every_process_are_named_and_the_rest_is_kept(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deadly_drawing.py").write_text(DEADLY)
    monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / "maps"
    assert main([*words, str(tmp_path / "whole")]) == 0
    capsys.readouterr()
    with monkeypatch.context() as patched:
        patched.setattr(drawing, "draw_unit", __import__("deadly_drawing").deadly)
        assert main([*words, str(out), "--jobs", "2"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "every process that took this up was ended" in told.err
    assert "p00024" in told.err
    kept = {file: file.stat().st_mtime_ns for file in out.rglob("*.npy")}
    assert 3 <= len(kept) <= 4
    assert main([*words, str(out), "--jobs", "2"]) == 0
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize("how", [pytest.param("SIGINT", marks=pytest.mark.slow), "SIGKILL"])
def test_what_was_stopped_goes_on_to_the_same_maps(demo: Path, tmp_path: Path, how: str) -> None:
    psutil = pytest.importorskip("psutil")
    words = ["explain", "-q", str(demo / "isnet"), "--number", "9", "--batch-size", "1", "--maps", "npy"]
    words += ["--jobs", "2", "--out", str(tmp_path)]
    family: list[Any] = []
    code = f"import sys; from sightline.cli.main import main; sys.exit(main({words!r}))"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list(tmp_path.rglob("maps.json")):
        family = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.01)
    process.send_signal(getattr(signal, how))
    said = process.communicate()[1]
    gone, alive = psutil.wait_procs(family, timeout=60)
    assert len(gone) >= 2
    assert not alive
    if how == "SIGINT":
        assert process.returncode == 130
        assert said == f"error: stopped; {tmp_path} holds what is done, the same command continues\n"
    drawn = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("maps.json")}
    assert 1 <= len(drawn) < 9
    assert main([*words[:-4], "--out", str(tmp_path)]) == 0
    assert len(list(tmp_path.rglob("maps.json"))) == 9
    assert {file: file.stat().st_mtime_ns for file in drawn} == drawn
    again = tmp_path / "alone"
    assert main([*words[:-4], "--out", str(again)]) == 0
    whole = contents(again)
    shutil.rmtree(again)
    assert contents(tmp_path) == whole


def test_a_process_that_sees_other_weights_says_so(
    words: list[str], demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sightline.cli.explaining._sha256", lambda path: "00" * 32)
    assert main([*words, str(tmp_path / "maps"), "--jobs", "2"]) == 2
    told = capsys.readouterr().err
    assert "than the command; do all machines see the same files?" in told
    assert told.count("\n") == 1
