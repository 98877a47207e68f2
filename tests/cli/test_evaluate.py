import json
from pathlib import Path

import pytest

from sightline.cli.main import main


def test_scores_are_a_table_with_intervals(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "-q", str(demo), "--split", "test", "--bias", "on", "off"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["macro-F1", "accuracy", "balanced", "AUROC", "inside"]
    assert [line.split("  ")[0] for line in lines[1:]] == [
        "isnet, test, bias on",
        "isnet, test, bias off",
        "plain, test, bias on",
        "plain, test, bias off",
    ]


def test_the_same_as_json(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "-q", str(demo / "plain"), "--split", "ood", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    written = json.loads((demo / "plain" / "evaluation" / "ood" / "metrics.json").read_text())
    assert result == {"plain": {"ood": written}}


def test_computing_again_gives_the_same(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = demo / "isnet" / "evaluation" / "ood" / "metrics.json"
    before, when = file.read_text(), file.stat().st_mtime_ns
    assert main(["evaluate", "-q", str(demo / "isnet"), "--split", "ood", "--again"]) == 0
    assert file.read_text() == before
    assert file.stat().st_mtime_ns > when


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--split", "ood", "--bias", "off"], "--bias off: there is ood only"),
        (["--split", "tset"], "no split 'tset' in the cohort; did you mean 'test'?"),
    ],
)
def test_what_cannot_be_tested_is_said(
    words: list[str], message: str, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(demo / "plain"), *words]) == 2
    assert message in capsys.readouterr().err
