"""Imports run one way: each package only from the rows below it, never from its neighbours."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sightline

ROOT = Path(sightline.__file__).parent
ROWS = (
    ("errors", "showing", "urls"),
    ("types", "compiled_models", "runs", "plain", "yaml12", "addresses", "shards", "machines"),
    ("checking", "stores"),
    ("attribution", "regions", "models", "metrics"),
    ("guidance", "data"),
    ("training", "evaluation"),
    ("reporting", "comparing", "segmenting", "exporting", "answering", "integrations"),
    ("viewer", "serving", "pacs"),
    ("cli",),
)
ROW = {name: row for row, names in enumerate(ROWS) for name in names}
FILES = sorted(ROOT.rglob("*.py"))


def own_imports(source: str) -> set[str]:
    """Names of our modules that a source imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "own imports are written in full"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name and name.startswith("sightline.")}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_imports_come_from_the_rows_below(file: Path) -> None:
    own = file.relative_to(ROOT).with_suffix("").parts[0]
    if own == "__init__":
        return
    for name in own_imports(file.read_text(encoding="utf-8")):
        other = name.split(".")[1]
        if other in ROW and other != own:
            assert ROW[other] < ROW[own], f"{own} (row {ROW[own]}) must not import {name} (row {ROW[other]})"


def test_every_package_has_a_row() -> None:
    there = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))} - {"__init__"}
    assert there <= ROW.keys()


def test_rows_forbid_what_the_design_forbids() -> None:
    assert own_imports("from sightline.training import train") == {"sightline.training", "sightline.training.train"}
    assert ROW["guidance"] < ROW["training"]
    assert ROW["reporting"] == ROW["comparing"]


def test_no_module_is_called_utils() -> None:
    assert not [file for file in FILES if file.stem in {"utils", "util", "helpers", "common", "misc"}]


@pytest.mark.parametrize(
    "code",
    [
        "import sightline",
        "from sightline.cli.main import main; main(['--help'])",
        "from sightline.cli.main import main; main(['train', '--help'])",
        "from sightline.cli.main import main; main(['no-such-verb'])",
    ],
)
def test_neither_torch_nor_matplotlib_is_loaded_before_it_is_needed(code: str) -> None:
    check = f"{code}\nimport sys\nassert not {{'torch', 'matplotlib', 'numpy'}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", check], check=True, capture_output=True)
