"""The gallery runs, says what it promises, and leaves nothing behind.

Each script is a process of its own here, which takes its time; `make docs` runs them all in one.
"""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(FOLDER.glob("*.py"))
NEEDS = {"plot_lightning": "lightning", "plot_monai": "monai", "plot_huggingface": "transformers"}
REPAIRED = """
import importlib, runpy, sys, torch
try:
    importlib.import_module("torchvision")
except ImportError:
    pass
except RuntimeError:  # a wheel for CUDA beside a CPU build of torch, see tests/conftest.py
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
torch.set_num_threads(1)
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def run(name: str, folder: Path) -> str:
    """Run a script as a user does, where there is no screen, and return what it printed."""
    package = NEEDS.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    own = {"MPLBACKEND": "Agg", "HF_HUB_OFFLINE": "1", "TMPDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", REPAIRED, str(FOLDER / f"{name}.py")],
        cwd=folder,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not [path for path in folder.rglob("*") if path.is_file()], "nothing is left behind"
    return done.stdout


def numbers_after(words: str, text: str) -> list[float]:
    return [float(number) for number in re.findall(rf"{words} ([0-9.]+)", text)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plot_audit_a_model", "plot_maps_of_a_volume"])
def test_it_runs(name: str, tmp_path: Path) -> None:
    assert run(name, tmp_path)


@pytest.mark.slow
def test_the_network_that_answers_by_the_marks_looks_outside(tmp_path: Path) -> None:
    told = run("plot_explain_any_model", tmp_path)
    assert numbers_after("accuracy", told)[0] > 0.9
    (inside,), (area,) = numbers_after("inside the lungs", told), numbers_after("their area", told)
    assert inside < area


@pytest.mark.slow
def test_the_share_inside_rises_with_guidance_only(tmp_path: Path) -> None:
    told = run("plot_guide_your_loop", tmp_path)
    ends = re.findall(r"from ([0-9.]+) to ([0-9.]+)", told)
    plain, guided = (float(end) - float(start) for start, end in ends)
    assert guided > 0.1
    assert plain < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plot_lightning", "plot_monai", "plot_huggingface"])
def test_the_share_inside_rises_in_trainers_of_others(name: str, tmp_path: Path) -> None:
    told = run(name, tmp_path)
    before, after = (numbers_after(f"{when}: relevance inside the lungs", told)[0] for when in ("before", "after"))
    assert after > before + 0.1


def test_no_script_is_left_out() -> None:
    named = re.findall(r'"(plot_\w+)"', Path(__file__).read_text(encoding="utf-8"))
    assert {script.stem for script in SCRIPTS} == set(named)
    assert (FOLDER / "README.rst").is_file()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_each_is_a_page_of_the_gallery(script: Path) -> None:
    source = script.read_text(encoding="utf-8")
    title, line, _, *lead = (ast.get_docstring(ast.parse(source)) or "").splitlines()
    assert line == "=" * len(title)
    assert lead
    assert source.count("\n# %%\n") >= 3
    assert not re.search(r"https?://|requests|urllib", source), "nothing is downloaded"
    for heading, under in re.findall(r"^# (.+)\n# ((?:-|=){3,})$", source, re.MULTILINE):
        assert len(under) == len(heading), heading
