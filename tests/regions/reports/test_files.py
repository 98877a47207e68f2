from pathlib import Path

import pytest

from sightline.errors import DataError, DataNotFoundError
from sightline.regions.reports import read_reports


@pytest.mark.parametrize("column", ["text", "report"])
def test_a_table_of_reports(column: str, tmp_path: Path) -> None:
    path = tmp_path / "reports.csv"
    path.write_text(f'\ufeffid,{column}\na,"Clear.\nNo effusion, no mass."\nb,\n', encoding="utf-8")
    assert [(each.id, each.text) for each in read_reports(path)] == [("a", "Clear.\nNo effusion, no mass."), ("b", "")]


def test_a_folder_of_text_files_in_several_encodings(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Größe 8 mm".encode())
    (tmp_path / "b.txt").write_bytes("Größe 8 mm".encode("cp1252"))
    (tmp_path / "c.txt").write_bytes("Größe 8 mm".encode("utf-16"))
    (tmp_path / "d.txt").write_bytes(b"\0\1\2")
    reports = {each.id: each for each in read_reports(tmp_path)}
    assert [reports[name].text for name in "abcd"] == ["Größe 8 mm"] * 3 + [""]
    assert reports["d"].problem == "d.txt cannot be read: it is no text"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,words\na,b\n", "must have the columns id and text"),
        ("id,text\na,b\na,c\n", "report 2 has the id 'a' of another"),
        ("id,text\n,b\n", "report 1 has no id"),
        ("id,text\n", "has no reports"),
    ],
)
def test_bad_tables_are_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "reports.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_reports(path)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"has no \.txt files"):
        read_reports(tmp_path)
    with pytest.raises(DataNotFoundError, match="neither a folder"):
        read_reports(tmp_path / "reports.csv")
    (tmp_path / "binary.csv").write_bytes(b"id,text\na,\xff\xfe\n")
    with pytest.raises(DataError, match="is no CSV in UTF-8"):
        read_reports(tmp_path / "binary.csv")
