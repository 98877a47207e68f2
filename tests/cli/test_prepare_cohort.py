import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.cli.main import main
from sightline.data import read_cohort
from sightline.data.cohort_recipes import cohort_recipes

RECIPE = """
title: two folders
task: binary
classes: [well, ill]
sources:
  north:
    adapter: class_folders
    options: {patient: "^(p[0-9]+)"}
    classes: {well: [well], ill: [ill]}
    split: {train: 0.5, test: 0.5}
  south:
    adapter: class_folders
    classes: {ill: [ill]}
    split: ood
expected:
  - {source: north, images: 10}
  - {split: ood, images: 3}
"""


@pytest.fixture
def downloads(tmp_path: Path) -> dict[str, Path]:
    generator = np.random.default_rng(0)
    roots = {name: tmp_path / name for name in ("north", "south")}
    for name, root in roots.items():
        for number in range(8):
            file = root / ("well", "ill")[number % 2] / f"p{number // 4}_{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 255, (8, 8), dtype=np.uint8)).save(file)
        assert name in str(root)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return roots


def words_of(tmp_path: Path, roots: dict[str, Path], *more: str) -> list[str]:
    named = [f"{name}={root}" for name, root in roots.items()]
    out = ["--out", str(tmp_path / "out"), "-q"]
    return ["prepare", "cohort", str(tmp_path / "recipe.yaml"), "--root", *named, *out, *more]


def test_a_study_is_made_and_counted_beside_its_paper(
    downloads: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words_of(tmp_path, downloads)) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert told[0] == ["what", "unit", "found", "paper", "difference"]
    assert told[1] == ["north", "images", "8", "10", "-2"]
    assert told[2] == ["ood", "images", "4", "3", "+1"]
    cohort = read_cohort(tmp_path / "out")
    assert len(cohort.cases) == 12
    assert set(cohort.splits) == {"train", "test", "ood"}
    with (tmp_path / "out/left_out.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [f"south/well/p{n // 4}_{n}.png" for n in (0, 2, 4, 6)]


def test_what_cannot_be_read_is_left_out_and_not_counted(
    downloads: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = downloads["south"] / "ill/p0_1.png"
    broken.write_bytes(b"no image")
    assert main(words_of(tmp_path, downloads, "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["images"] == 11
    assert [each["case"] for each in told["unusable"]] == ["south/ill/p0_1.png"]
    (line,) = (line for line in told["census"] if line["split"] == "ood" and line["paper"] is not None)
    assert (line["found"], line["paper"], line["difference"]) == (3, 3, 0)
    with (tmp_path / "out/census.csv").open(newline="") as file:
        assert [row["found"] for row in csv.DictReader(file) if row["split"] == "ood"] == ["3", "3"]
    assert main(words_of(tmp_path, downloads, "--strict")) == 2


def test_recipes_are_listed_with_the_folders_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "cohort", "--list"]) == 0
    told = capsys.readouterr().out
    assert all(f"{name}: " in told for name in cohort_recipes())
    assert "roots    tb_portals, chexpert, montgomery, shenzhen\n  perhaps  tb_portals_exclude" in told
    assert main(["prepare", "cohort", "--list", "--json"]) == 0
    assert {each["name"] for each in json.loads(capsys.readouterr().out)} == set(cohort_recipes())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tuberculosis"], "error: name a recipe, its folders as --root NAME=PATH, and --out DIR"),
        (["tubercolosis", "--out", "o"], "error: no cohort recipe 'tubercolosis'; did you mean 'tuberculosis'?"),
        (["tuberculosis", "--out", "o"], "error: Tuberculosis"),
        (["tuberculosis", "--out", "o", "--root", "x"], "error: --root must look like chexpert=CheXpert-v1.0, got 'x'"),
        (["tuberculosis", "--out", "o", "--root", "a=1", "a=2"], "error: --root a is given twice, 1 and 2"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["prepare", "cohort", *words]) == 2
    told = capsys.readouterr()
    assert told.err.casefold().startswith(message.casefold())
    assert told.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
