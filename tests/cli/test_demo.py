import json
from pathlib import Path

import pytest

from sightline.cli.main import main
from sightline.runs import RunFolder


def words_of(demo: Path) -> list[str]:
    settings = ["epochs=1", "data.batch_size=8", "data.preprocessing.size=32", "model.width=4"]
    return ["demo", "--out", str(demo), "--counts", "train=18,val=6,test=9,ood=6", *settings]


def test_both_classifiers_are_trained_and_tested_under_every_condition(demo: Path) -> None:
    for name in ("plain", "isnet"):
        run = RunFolder.open(demo / name)
        assert run.status["state"] == "done"
        tested = {file.parent.name for file in (run.path / "evaluation").glob("*/metrics.json")}
        assert tested == {"test", "test-off", "test-swapped", "ood"}


def test_the_report_holds_everything_it_shows(demo: Path) -> None:
    page = (demo / "report.html").read_text(encoding="utf-8")
    assert "When the bias is taken out of the test images" in page
    assert 'src="http' not in page
    assert "the lungs" in page
    assert str(demo.parent) not in page.replace(f"cohort: {demo.as_posix()}/cohort", "")


def test_running_it_again_changes_nothing_and_answers(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = (demo / "isnet" / "model.safetensors").stat().st_mtime_ns
    tests = (demo / "isnet" / "evaluation" / "test" / "metrics.json").stat().st_mtime_ns
    assert main(words_of(demo)) == 0
    told = capsys.readouterr()
    assert "When the bias is taken out of the test images" in told.out
    assert str(demo / "report.html") in told.out
    assert (demo / "isnet" / "model.safetensors").stat().st_mtime_ns == weights
    assert (demo / "isnet" / "evaluation" / "test" / "metrics.json").stat().st_mtime_ns == tests


def test_other_settings_in_the_same_folder_are_refused(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words_of(demo), "seed=7"]) == 2
    assert "was begun with other settings" in capsys.readouterr().err


def test_the_comparison_is_written_as_table_and_json(demo: Path) -> None:
    lines = (demo / "comparison.csv").read_text().splitlines()
    assert lines[0].startswith("recipe,split,bias,metric,value,low,high")
    assert sum(line.startswith("isnet,test,swapped,macro_f1,") for line in lines) == 1
    result = json.loads((demo / "comparison.json").read_text())
    assert result["conditions"] == ["test", "test-off", "test-swapped", "ood"]
    assert set(result["change_without_bias"]["plain"]) == {"test-off", "test-swapped"}


def test_the_settings_can_be_seen_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(tmp_path / "d"), "--print-config", "epochs=2"]) == 0
    told = capsys.readouterr().out
    assert told.count("epochs: 2") == 2
    assert "guidance: null" in told
    assert not (tmp_path / "d").exists()
