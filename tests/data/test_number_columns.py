import math
from pathlib import Path

import numpy as np
import pytest

from sightline.data.number_columns import find_columns, plain, read_columns, read_header, stream_columns
from sightline.errors import DataError, DataNotFoundError


def table(folder: Path, text: str) -> Path:
    path = folder / "gaze.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_are_found_whatever_their_order_and_spelling(tmp_path: Path) -> None:
    path = table(tmp_path, "\ufeffName, TIME(in secs) ,x\nscan,0.5,1\nother,0.75,-2e3\n")
    (piece,) = stream_columns(path, ("x", "Time (in secs)"), ("NAME",))
    assert piece["x"].tolist() == [1, -2000]
    assert piece["Time (in secs)"].tolist() == [0.5, 0.75]
    assert piece["NAME"].tolist() == ["scan", "other"]


def test_a_table_comes_in_pieces_that_join_to_the_whole(tmp_path: Path) -> None:
    path = table(tmp_path, "a,b\n" + "".join(f"{i},{i / 7}\n" for i in range(10)))
    pieces = list(stream_columns(path, ("b",), rows=4))
    assert [len(piece["b"]) for piece in pieces] == [4, 4, 2]
    assert np.concatenate([piece["b"] for piece in pieces]).tolist() == [i / 7 for i in range(10)]
    assert read_columns(path, ("b",))["b"].tolist() == [i / 7 for i in range(10)]


def test_empty_cells_are_nan_and_empty_lines_are_none(tmp_path: Path) -> None:
    path = table(tmp_path, 'name,x,y\n\nscan,,1\n"a, b", ,2\n\nscan,3,\n')
    (piece,) = stream_columns(path, ("x", "y"), ("name",))
    assert piece["name"].tolist() == ["scan", "a, b", "scan"]
    assert [math.isnan(x) for x in piece["x"]] == [True, True, False]
    assert math.isnan(piece["y"][2])


def test_both_ways_of_reading_agree_to_the_last_digit(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(50, 2)) * 10.0 ** np.arange(-25, 25)[:, None]
    lines = [f"{x!r},{y!r}" for x, y in numbers.tolist()]
    fast = read_columns(table(tmp_path, "x,y\n" + "\n".join(lines)), ("x", "y"))
    slow = read_columns(table(tmp_path, "x,y\n" + "\n".join([*lines, ",1"])), ("x", "y"))
    np.testing.assert_array_equal(np.stack((fast["x"], fast["y"]), axis=1), numbers)
    np.testing.assert_array_equal(slow["x"][:-1], fast["x"])


@pytest.mark.parametrize("text", ["x,y\n", "x,y\n\n\n"])
def test_a_table_without_rows_has_empty_columns(tmp_path: Path, text: str) -> None:
    assert read_columns(table(tmp_path, text), ("x",))["x"].shape == (0,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,z\n1,2\n", r"^gaze.csv: needs columns y, t; it has x, z$"),
        ("", r"^gaze.csv: needs columns x, y, t; it has none$"),
        ("x,y,t\n1,2,3\n\n1,no,3\n", r"^gaze.csv line 4: y must be a number, got 'no'$"),
        ("x,y,t\n1,2,3\n1,2\n", r"^gaze.csv line 3: 2 cells, where column 3 is needed$"),
    ],
)
def test_bad_tables_are_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_columns(table(tmp_path, text), ("x", "y", "t"))


def test_the_line_is_counted_over_pieces(tmp_path: Path) -> None:
    path = table(tmp_path, "x\n" + "1\n" * 7 + "one\n")
    with pytest.raises(DataError, match="line 9: x must be a number, got 'one'"):
        list(stream_columns(path, ("x",), rows=3))


def test_what_is_no_text_or_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"^gaze.csv: no such table$"):
        read_header(tmp_path / "gaze.csv")
    for before in (0, 99_999):  # in what is read with the header, and after it
        (tmp_path / "gaze.csv").write_bytes(b"x,y\n" + b"1,2\n" * before + b"\xff\xfe,1\n")
        with pytest.raises(DataError, match=r"^its name is not a table of comma-separated values in UTF-8"):
            read_columns(tmp_path / "gaze.csv", ("x",), name="its name")


def test_the_first_of_two_columns_of_one_name_counts() -> None:
    assert find_columns(["a", "B (s)", "b-s"], ["B_S", "a"], name="t") == [1, 0]
    assert plain("Time (in secs)") == "timeinsecs"
