import gzip
from pathlib import Path

import pytest

from sightline.data.adapters.layout import read_rows, user_file
from sightline.errors import DataError, DataNotFoundError


def test_columns_without_a_name_at_the_end_are_left_out(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b,,\n1,2,,\n3,4\n")
    assert list(read_rows(table, ("a", "b"), title="set")) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_what_parts_the_columns_can_be_found_out(tmp_path: Path, sign: str) -> None:
    table = tmp_path / "table.csv.gz"
    with gzip.open(table, "wt", encoding="utf-8-sig") as file:
        file.write(f'a{sign}"b, c; d"\n1{sign}"2\n3"\n')
    assert list(read_rows(table, ("a",), title="set", delimiter="")) == [{"a": "1", "b, c; d": "2\n3"}]


def test_a_cell_too_many_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2,3\n")
    with pytest.raises(DataError, match=r"set: table.csv line 2: 3 cells in a table of 2 columns"):
        list(read_rows(table, ("a",), title="set"))


def test_a_file_of_the_user_lies_in_the_download_or_where_they_say(tmp_path: Path) -> None:
    (tmp_path / "list.txt").touch()
    assert user_file(tmp_path, Path("list.txt"), title="set") == tmp_path / "list.txt"
    assert user_file(tmp_path / "download", tmp_path / "list.txt", title="set") == tmp_path / "list.txt"
    with pytest.raises(DataNotFoundError, match=r"set: no file other.txt, neither in"):
        user_file(tmp_path, Path("other.txt"), title="set")
