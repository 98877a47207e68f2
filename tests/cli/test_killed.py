"""Whatever the moment at which an audit or a comparison is killed, the same command brings it to the same end."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")]

MODEL = """
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, num_classes: int = 3, in_channels: int = 3) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(in_channels, 4, 3), nn.Linear(4, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.first(images).relu().flatten(2).mean(2))
"""


def run_killed(folder: Path, words: list[str], moments: list[int]) -> dict[str, Any]:
    """Run a command, killed at each moment in turn and then no more."""
    (folder / "killable.py").write_text(MODEL)
    asked = json.dumps({"words": words, "moments": moments})
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("killed.py")), asked],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def draw_moments(seed: int, number: int, moments: int) -> list[int]:
    """Moments at random, among the first half of all, so that a few runs are killed before the work is done."""
    return np.random.default_rng(seed).integers(1, max(2, moments // 2), number).tolist()


def files_under(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.json")}


def test_an_audit_killed_at_random_comes_to_the_same_end(demo: Path, tmp_path: Path) -> None:
    words = ["audit", "-q", "killable:Net", str(demo / "cohort"), "--size", "32", "--random-weights", "--limit", "9"]
    words += ["--parts", "performance,outside,shortcuts"]
    whole = run_killed(tmp_path, [*words, "--out", str(tmp_path / "whole")], [])["last"]
    assert whole["code"] == 0
    out = tmp_path / "killed"
    found = run_killed(tmp_path, [*words, "--out", str(out)], draw_moments(0, 5, whole["moments"]))
    assert found["last"]["code"] == 0
    assert found["killed"][0]
    assert (out / "audit.json").read_bytes() == (tmp_path / "whole" / "audit.json").read_bytes()
    assert files_under(out) == files_under(tmp_path / "whole")


def test_a_comparison_killed_at_random_comes_to_the_same_end(demo: Path, tmp_path: Path) -> None:
    words = ["compare", "-q", "plain", "isnet", f"data.cohort={demo / 'cohort'}", "--split", "test", "--split", "ood"]
    words += ["epochs=1", "data.batch_size=9", "data.preprocessing.size=32", "model.name=resnet18", "model.width=4"]
    whole = run_killed(tmp_path, [*words, "--out", str(tmp_path / "whole")], [])["last"]
    assert whole["code"] == 0
    out = tmp_path / "killed"
    found = run_killed(tmp_path, [*words, "--out", str(out)], draw_moments(2, 3, whole["moments"]))
    assert found["last"]["code"] == 0
    assert found["killed"][0]
    for name in ("comparison.json", "comparison.csv", "pairs.csv", "comparison.tex"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
