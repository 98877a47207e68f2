import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.data.cohort import Task
from sightline.data.table_columns import RowReader
from sightline.errors import DataError

ROOT = Path("/films/here")
HEADER = [
    "image",
    "label",
    "a",
    "b",
    "id",
    "patient",
    "split",
    "mask",
    "mask:a",
    "image:off",
    "x:y",
    "gaze",
    "sha256",
    "age",
]
GOOD = (
    "1.png",
    "p/1.png",
    "../1.png",
    "p//1.png",
    "/p/1.png",
    "//p/1",
    "p/../1",
    "p/..",
    ".",
    "..",
    "p/",
    "/",
    "é" * 127,
    "s3://films/1.png",
    "s3://films/p//../1.png",
)
BAD = ("x" * 256, "é" * 130, f"{'y' * 256}/1.png", f"{'y' * 200}/{'x' * 256}", "n\0l", "n\0/1")
FILES = ("mask", "mask:a", "image:off", "x:y", "gaze")
WORDS = {
    "a": ("", "0", "1", "0.1", "nan"),
    "b": ("1", "-0"),
    "label": ("a", "b"),
    "sha256": ("", "00FF"),
} | dict.fromkeys(("id", "patient", "split", "age"), ("", "1", "2"))


def rows_of(image: st.SearchStrategy, file: st.SearchStrategy, label: st.SearchStrategy) -> st.SearchStrategy:
    cells = {name: st.sampled_from(options) for name, options in WORDS.items()} | dict.fromkeys(FILES, file)
    cells |= {"image": image, "b": label, "label": label}
    return st.lists(st.tuples(*[cells[name] for name in HEADER]), min_size=1, max_size=4)


SOUND = rows_of(st.sampled_from(GOOD), st.sampled_from(("", *GOOD)), st.sampled_from("ab"))
SOUND_NUMBERS = rows_of(st.sampled_from(GOOD), st.sampled_from(("", *GOOD)), st.sampled_from(("", "1", "0.5", "-0")))
ANY_NAME = st.one_of(st.sampled_from(("", *GOOD, *BAD)), st.text(st.sampled_from("ab./é"), max_size=6))
ANY = rows_of(ANY_NAME, ANY_NAME, st.sampled_from(("a", "c", "", "1", "2", "x")))


@pytest.mark.parametrize(
    ("task", "rows"), [("multiclass", SOUND), ("multilabel", SOUND_NUMBERS), ("multiclass", ANY), ("multilabel", ANY)]
)
@given(data=st.data())
def test_many_rows_at_once_are_read_as_each_alone(task: Task, rows: st.SearchStrategy, data: st.DataObject) -> None:
    sound, rows = rows is not ANY, data.draw(rows)
    alone, refused = [], 0
    for row in rows:
        try:
            alone.append(RowReader(HEADER, ROOT, task, ("a", "b")).case(row))
        except DataError:
            refused += 1
    try:
        block, ids = RowReader(HEADER, ROOT, task, ("a", "b")).block(rows)
    except DataError:
        assert refused
        assert not sound
        return
    assert not refused
    assert list(ids) == [case.id for case in alone]
    assert list(map(repr, map(block.case, range(len(rows))))) == list(map(repr, alone))


def test_a_folder_is_the_same_whatever_stood_before(tmp_path: Path) -> None:
    reader = RowReader(["image", "label"], tmp_path, "multiclass", ("a",))
    for name in ("p/1", "p/./1", "./p/1", "p//1", "q/../p/1", f"{tmp_path}/p/1"):
        block, _ = reader.block([(name, "a")])
        assert block.case(0).image == tmp_path / "p" / "1"
        assert str(block.case(0).image) == os.path.normpath(tmp_path / name)
