import gzip
from pathlib import Path

import pytest

from sightline.data.adapters import Selection
from sightline.data.adapters.layout import find, found_in, keep_present, read_rows, user_file
from sightline.data.cohort import Case
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


def test_what_lies_in_a_folder_is_told_or_in_the_nearest_one_above(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for number in range(10):
        (tmp_path / f"a/{number}.png").touch()
    assert found_in(tmp_path / "a/b") == "found nothing"
    assert found_in(tmp_path / "a/b/c/d") == "found nothing in b"
    assert found_in(tmp_path / "a/c") == "found 0.png, 1.png, 2.png, 3.png, 4.png, 5.png, 6.png, 7.png and 3 more in a"
    with pytest.raises(DataNotFoundError, match=r"set: expected x.csv or y.csv in .*, found a/; give the folder"):
        find(tmp_path, "x.csv", "y.csv", title="set")


def test_of_images_that_are_not_there_the_first_is_named_and_what_lies_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "p1").mkdir()
    (tmp_path / "p1/1.png").touch()
    cases = [Case(name, tmp_path / name, 0, name) for name in ("p1/1.png", "p1/2.png", "p2/3.png")]
    with pytest.raises(DataNotFoundError, match=r"2 of 3 images are not there, first p1/2.png; found 1.png in p1; unp"):
        keep_present(Selection(cases, ("ill",), "all"), tmp_path, title="set", partial=False)


def test_a_file_of_the_user_lies_in_the_download_or_where_they_say(tmp_path: Path) -> None:
    (tmp_path / "list.txt").touch()
    assert user_file(tmp_path, Path("list.txt"), title="set") == tmp_path / "list.txt"
    assert user_file(tmp_path / "download", tmp_path / "list.txt", title="set") == tmp_path / "list.txt"
    with pytest.raises(DataNotFoundError, match=r"set: no file other.txt, neither in"):
        user_file(tmp_path, Path("other.txt"), title="set")
