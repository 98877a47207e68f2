import json
from dataclasses import replace
from pathlib import Path

import pytest

from sightline.cli.main import main
from sightline.data import read_cohort, write_cohort


def test_a_good_cohort_passes(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "check", str(demo / "cohort")]) == 0
    assert capsys.readouterr().out.startswith("nothing wrong: 39 images of 3 classes (train 18, val 6, test 9, ood 6)")


def test_every_problem_is_listed_and_the_gate_is_closed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "phantoms", str(tmp_path), "-q", "--size", "32", "--counts", "train=3,test=3"]) == 0
    capsys.readouterr()
    images = sorted((tmp_path / "images").glob("*.png"))
    images[0].write_bytes(images[0].read_bytes()[:60])
    images[1].unlink()
    assert main(["prepare", "check", str(tmp_path), "--json"]) == 3
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert {problem["case"] for problem in problems} >= {images[0].stem, images[1].stem}
    assert len({problem["what"] for problem in problems}) == len(problems), "each is told once"
    assert main(["prepare", "check", str(tmp_path), "--no-pixels"]) == 3
    assert images[0].name not in capsys.readouterr().out


def test_a_split_parts_no_patient(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["prepare", "split", str(demo / "cohort"), "--out", str(tmp_path), "--fractions", "train=0.5,test=0.5"]
    assert main(words) == 0
    assert "train" in capsys.readouterr().out
    cohort = read_cohort(tmp_path)
    assert set(cohort.splits) == {"train", "test"}
    assert len(cohort.cases) == 39


def test_nobody_of_a_previous_cohort_moves(demo: Path, tmp_path: Path) -> None:
    whole = read_cohort(demo / "cohort")
    write_cohort(replace(whole, cases=whole.cases[::2]), tmp_path / "half")
    words = ["--fractions", "train=0.5,test=0.5", "--seed"]
    assert main(["prepare", "split", str(tmp_path / "half"), "--out", str(tmp_path / "old"), *words, "0"]) == 0
    previous = ["--previous", str(tmp_path / "old")]
    assert main(["prepare", "split", str(demo / "cohort"), "--out", str(tmp_path / "new"), *previous, *words, "1"]) == 0
    new = {case.id: case.split for case in read_cohort(tmp_path / "new").cases}
    assert len(new) == 39
    assert all(new[case.id] == case.split for case in read_cohort(tmp_path / "old").cases)


def test_fractions_must_be_pairs(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["prepare", "split", str(demo / "cohort"), "--out", str(tmp_path), "--fractions", "0.5,0.5"]
    assert main(words) == 2
    assert "--fractions must look like train=0.7,val=0.1,test=0.2, got '0.5,0.5'" in capsys.readouterr().err
