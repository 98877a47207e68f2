from pathlib import Path

import pytest

from sightline.cli.main import main


def test_finished_runs_are_compared_as_they_are(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "-q", str(demo / "plain"), str(demo / "isnet"), "--split", "ood", "--out", str(tmp_path / "c")]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "plain, ood, bias on" in told
    assert f"next: sightline report {tmp_path / 'c'}" in told
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["comparison.csv", "comparison.json"]


def test_the_settings_of_each_recipe_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "plain", "isnet", "--print-config", "data.cohort=c", "epochs=2"]) == 0
    told = capsys.readouterr().out
    assert [part.count("epochs: 2") for part in told.split("---\n")] == [1, 1]


def test_two_recipes_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "plain", "plain", "data.cohort=c", "--out", str(tmp_path / "c")]) == 2
    assert "recipes need different names, got plain, plain" in capsys.readouterr().err
