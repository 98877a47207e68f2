"""What the repository says about itself is so."""

import re
import tomllib
from pathlib import Path

import pytest
import torch

import sightline
from sightline.cli.main import VERBS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_lines_in_the_readme_run_and_train(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        exec(compile(code, "README.md", "exec"), {})
    share = float(re.findall(r"[0-9.]+", capsys.readouterr().out)[0])
    assert 0.25 < share <= 1, "more than an even map, of which a quarter lies inside"


def test_the_readme_names_every_verb() -> None:
    rows = re.findall(r"^\| (`.*?) \|", README, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) >= set(VERBS)


def test_the_commands_of_the_readme_are_those_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "--dist loadgroup" in README
    for target in re.findall(r"^    make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target


def test_one_version_is_told_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == sightline.__version__
    assert f"version: {sightline.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_constraints_pin_what_is_asked_for_and_name_no_host() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["test"],
        *project["dependency-groups"]["lint"],
        *project["dependency-groups"]["docs"],
    ]
    assert {re.split(r"[><=\[ ]", name)[0].lower() for name in asked} <= pinned
