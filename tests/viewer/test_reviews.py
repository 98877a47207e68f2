"""Marks and notes of reviewers: kept at once, by whom they are, and never lost."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from sightline.errors import DataError
from sightline.viewer.reviews import Review, Reviews, reviews_csv

KILLED = """
import os, signal, sys
from pathlib import Path
from sightline.viewer.reviews import Review, Reviews
reviews = Reviews(Path(sys.argv[1]))
for index in range(20):
    reviews.put(Review("plain", "on", f"case-{index}", mark="agree"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_review_takes_the_place_of_what_its_reviewer_said_before(tmp_path: Path) -> None:
    reviews = Reviews(tmp_path / "new" / "reviews.sqlite")
    first = Review("plain", "on", "a", "Ada", "agree", "fine")
    reviews.put(first)
    reviews.put(Review("plain", "on", "a", "Ben", "wrong place"))
    kept = reviews.put(Review("plain", "on", "a", "Ada", "wrong class", "look again"))
    found = Reviews(tmp_path / "new" / "reviews.sqlite").all()
    assert [(each.reviewer, each.mark, each.note) for each in found] == [
        ("Ada", "wrong class", "look again"),
        ("Ben", "wrong place", ""),
    ]
    assert kept.changed.endswith("+00:00")
    reviews.put(Review("plain", "on", "a", "Ada"))
    assert [each.reviewer for each in reviews.all()] == ["Ben"]


def test_nothing_is_lost_on_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "reviews.sqlite"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    assert ended.returncode == -9
    assert len(Reviews(file).all()) == 20


@pytest.mark.parametrize(("field", "value"), [("mark", "maybe"), ("note", "x" * 4001), ("reviewer", "x" * 201)])
def test_what_is_no_review_is_refused(field: str, value: str) -> None:
    with pytest.raises(DataError, match=f"{field}|name|letters"):
        Review(**{"run": "plain", "bias": "on", "case": "a", field: value})  # type: ignore[arg-type]  # on purpose


def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    file = tmp_path / "reviews.sqlite"
    file.write_text("this is no data base, but long enough to be taken for one " * 20)
    with pytest.raises(DataError, match="--reviews"):
        Reviews(file)


def test_the_table_reads_back_and_no_cell_is_a_formula() -> None:
    note = 'said "no",\nand\tmeant it'
    text = reviews_csv([Review("plain", "on", "a,b", "=cmd()", "agree", note), Review("", "on", "c", "", "", "+1")])
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["case"], first["note"], first["reviewer"]) == ("a,b", note, "'=cmd()")
    assert second["note"] == "'+1"


def test_the_page_keeps_lists_and_exports_them(client: TestClient) -> None:
    review = {"run": "isnet", "bias": "on", "case": "case-4", "reviewer": "Ada", "mark": "wrong place", "note": "ärm"}
    assert client.put("/api/reviews", json=review).json()["mark"] == "wrong place"
    marked = client.get("/api/cases", params={"mark": "wrong place"}).json()["rows"]
    assert [row["name"] for row in marked] == ["case-4"]
    assert marked[0]["reviews"][0]["note"] == "ärm"
    assert client.get("/api/cases", params={"mark": "none"}).json()["total"] == 8
    assert client.get("/api/cases", params={"mark": "agree"}).json()["total"] == 0
    (row,) = csv.DictReader(io.StringIO(client.get("/api/reviews.csv").text))
    assert (row["case"], row["reviewer"], row["note"]) == ("case-4", "Ada", "ärm")


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", b'{"case": 1}', b'{"run": "plain", "case": ""}', b'{"run": "nobody", "case": "a", "bias": "on"}'],
)
def test_a_broken_review_changes_nothing(client: TestClient, body: bytes) -> None:
    answered = client.put("/api/reviews", content=body, headers={"content-type": "application/json"})
    assert answered.status_code == 422
    assert client.put("/api/reviews", content=b"x" * 70_000).status_code == 413
    assert client.get("/api/cases", params={"mark": "any"}).json()["total"] == 0
