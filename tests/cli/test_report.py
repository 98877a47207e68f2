from pathlib import Path

import pytest

from sightline.cli.main import main


def test_a_report_is_written_about_any_runs(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    assert main(["report", str(demo / "isnet"), "--out", str(out), "--title", "Only the guided one"]) == 0
    assert str(out) in capsys.readouterr().out
    page = out.read_text(encoding="utf-8")
    assert "Only the guided one" in page
    assert "not a medical device" in page


def test_runs_without_tests_are_told_what_to_do(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_bytes((demo / "plain" / "config.yaml").read_bytes())
    assert main(["report", str(run)]) == 2
    assert "run sightline evaluate first" in capsys.readouterr().err
