import json
from pathlib import Path

import pytest

from sightline.cli.main import main


def test_finished_runs_are_compared_as_they_are(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "-q", str(demo / "plain"), str(demo / "isnet"), "--split", "ood", "--out", str(tmp_path / "c")]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "plain, ood, bias on" in told
    assert f"next: sightline report {tmp_path / 'c'}" in told
    assert "isnet over plain" in told
    names = ["comparison.csv", "comparison.json", "comparison.tex", "pairs.csv"]
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == names


def test_a_run_folder_has_its_seed_already(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(demo / "plain"), "--seeds", "1", "2", "--out", str(tmp_path / "c")]) == 2
    assert "--seeds is for recipes" in capsys.readouterr().err


def test_recipes_are_named_in_one_word_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--recipes", "plain,isnet", "--print-config", "data.cohort=c"]) == 0
    assert [part.split("name: ")[1].split()[0] for part in capsys.readouterr().out.split("---\n")] == ["plain", "isnet"]


def test_what_a_step_costs_is_measured_once(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "-q", str(demo / "plain"), str(demo / "isnet"), "--split", "ood", "--cost"]
    assert main([*words, "--out", str(tmp_path / "c")]) == 0
    head, plain, isnet = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert head.split() == ["macro-F1", "ood", "on", "inside", "step", "weights"]
    assert (plain.split()[0], isnet.split()[0]) == ("plain", "isnet")
    costs = json.loads((tmp_path / "c" / "comparison.json").read_text())["costs"]
    assert 0.5 < costs["plain"]["ratio"] < 2 < costs["isnet"]["ratio"] + 1
    assert costs["plain"]["parameters"] == costs["isnet"]["parameters"]
    lines = (tmp_path / "c" / "comparison.csv").read_text().splitlines()
    assert f"plain,,,parameters,{costs['plain']['parameters']},,,,,count,," in lines
    assert (tmp_path / "c" / "costs.png").read_bytes().startswith(b"\x89PNG")
    assert main([*words, "--out", str(tmp_path / "d"), "--json"]) == 0
    again = json.loads((tmp_path / "d" / "comparison.json").read_text())["costs"]
    assert again == costs


def test_the_settings_of_each_recipe_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "plain", "isnet", "--print-config", "data.cohort=c", "epochs=2"]) == 0
    told = capsys.readouterr().out
    assert [part.count("epochs: 2") for part in told.split("---\n")] == [1, 1]


def test_two_recipes_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "plain", "plain", "data.cohort=c", "--out", str(tmp_path / "c")]) == 2
    assert "recipes need different names, got plain, plain" in capsys.readouterr().err
