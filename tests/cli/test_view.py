import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the page needs the extra serve")

from sightline.cli.main import main
from sightline.viewer import Review, Reviews


def test_the_page_is_served_until_it_is_told_to_end(demo: Path, tmp_path: Path) -> None:
    runs = [str(demo / name) for name in ("plain", "isnet")]
    words = [sys.executable, "-m", "sightline.cli.main", "view", *runs, "--port", "0", "--json"]
    with subprocess.Popen(
        [*words, "--reviews", str(tmp_path / "marks.sqlite"), "--token"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=demo.parent,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as page:
        assert page.stdout is not None
        told = ""
        while not told.endswith("}\n") and (line := page.stdout.readline()):
            told += line
        address = json.loads(told)["address"]
        base, _, token = address.partition("?token=")
        request = urllib.request.Request(f"{base}api/overview", headers={"authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=60) as answered:
            assert [run["name"] for run in json.load(answered)["runs"]] == ["plain", "isnet"]
        page.send_signal(signal.SIGINT)
        assert page.wait(timeout=60) == 0
    assert [each.name for each in tmp_path.iterdir()] == ["marks.sqlite"]  # nothing else is left


def test_marks_are_exported_as_a_table(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = shutil.copytree(demo / "plain", tmp_path / "plain")
    Reviews(run / "reviews.sqlite").put(Review("plain", "on", "p1", "Ada", "wrong place", "border"))
    out = tmp_path / "marks.csv"
    assert main(["view", str(run), "--export-reviews", str(out)]) == 0
    assert capsys.readouterr().out == f"1 reviews in {out}\n"
    with out.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["run"], row["case"], row["mark"], row["note"]) == ("plain", "p1", "wrong place", "border")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{demo}/nothing"], "no cohort at"),
        (["{demo}/plain", "{demo}/cohort"], "is no run; name runs of one cohort, or one cohort alone"),
        (["{demo}/plain", "--max-upload", "0"], "--max-upload must be over 0"),
        (["{demo}/plain", "--port", "99999"], "cannot serve at 127.0.0.1, port 99999"),
        (["{demo}/plain", "--reviews", "{demo}/cohort/cohort.csv"], "reviews cannot be kept in"),
    ],
)
def test_a_mistake_is_one_line(
    demo: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo.parent)
    assert main(["view", *(word.format(demo=demo) for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("error:") == 1
