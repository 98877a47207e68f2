import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.cli import auditing, measuring
from sightline.cli.main import main

NET = """
import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, num_classes: int = 3, in_channels: int = 3) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(in_channels, 4, 3, stride=9), nn.Linear(4, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.first(images).relu().flatten(2).mean(2))


class Restless(Net):
    def __init__(self, *given) -> None:
        super().__init__(*given)
        self.last.bias.data.fill_(torch.seed() % 1000)
"""
DEADLY = """
import os

from sightline.cli.measuring import measure_unit


def deadly(unit):
    if unit.number == 1:
        os._exit(9)
    return measure_unit(unit)
"""


@pytest.fixture
def words(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nine cases so large that four are looked at together: three chunks."""
    (tmp_path / "nets_of_ours.py").write_text(NET)
    (tmp_path / "deadly_measuring.py").write_text(DEADLY)
    monkeypatch.syspath_prepend(tmp_path)
    few = auditing.Resampling
    monkeypatch.setattr(auditing, "Resampling", lambda seed: few(50, seed))
    words = ["audit", "-q", "nets_of_ours:Net", str(demo / "cohort"), "--size", "1024", "--random-weights"]
    return [*words, "--parts", "performance", "--out"]


def measured(folder: Path) -> dict[str, dict[str, Any]]:
    """Arrays of each chunk; the time stands in the files themselves."""
    return {
        file.relative_to(folder).as_posix(): {name: values.tolist() for name, values in np.load(file).items()}
        for file in folder.rglob("*.npz")
    }


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but for the chunks and the page, which names the folder."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.suffix not in (".npz", ".html")]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_processes_and_a_cluster_measure_what_one_process_measures(
    words: list[str], cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*words, "one"]) == 0
    chunks = measured(tmp_path / "one")
    assert sorted(chunks) == [f"measured/performance/0000{number}.npz" for number in range(3)]
    with monkeypatch.context() as patched:  # so that nothing is measured in this process
        patched.setattr(importlib.import_module("sightline.evaluation.audit.audit"), "Look", None)
        assert main([*words, "two", "--jobs", "2"]) == 0
    assert main([*words, "dask", "--cluster", cluster]) == 0
    for name in ("two", "dask"):
        assert measured(tmp_path / name) == chunks
        assert contents(tmp_path / name) == contents(tmp_path / "one")
        assert (tmp_path / name / "audit.html").is_file()


@pytest.mark.slow
def test_a_chunk_that_ends_every_process_is_named_and_the_audit_does_not_conclude(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "audit"
    with monkeypatch.context() as patched:
        patched.setattr(measuring, "measure_unit", __import__("deadly_measuring").deadly)
        assert main([*words, str(out), "--jobs", "2"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "p00028 to p00031 (4 cases): every process that took this up was ended" in told.err
    assert told.err.count("\n") == 1
    assert sorted(file.name for file in out.rglob("*.npz")) == ["00000.npz", "00002.npz"]
    assert not (out / "audit.json").exists()
    kept = {file: file.stat().st_mtime_ns for file in out.rglob("*.npz")}
    assert main([*words, str(out), "--jobs", "2", "--again"]) == 0
    assert all(file.stat().st_mtime_ns > then for file, then in kept.items())
    whole = tmp_path / "whole"
    assert main([*words, str(whole)]) == 0
    assert contents(out) == contents(whole)


def test_a_share_may_be_measured_by_processes(words: list[str], tmp_path: Path) -> None:
    assert main([*words, str(tmp_path / "audit"), "--jobs", "2", "--shard", "1/2"]) == 0
    assert sorted(file.name for file in tmp_path.rglob("*.npz")) == ["00000.npz", "00002.npz"]
    assert not (tmp_path / "audit" / "audit.json").exists()


def test_a_model_that_is_another_each_time_is_told(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["nets_of_ours:Restless" if word == "nets_of_ours:Net" else word for word in words]
    assert main([*words, str(tmp_path / "audit"), "--jobs", "2"]) == 2
    told = capsys.readouterr().err
    assert "a process that measures sees another model than the command did" in told
    assert told.count("\n") == 1
