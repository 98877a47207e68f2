import os
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from sightline.data.case_table import Block
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
NAMES = st.one_of(
    st.sampled_from(
        ["1.png", "p/1.png", "../1.png", "p//1.png", "/p/1.png", "//p/1", "p/../1", "p/..", ".", "..", "p/", "/"]
    ),
    st.sampled_from(["", "x" * 256, "é" * 130, "é" * 127, f"{'y' * 256}/1.png", f"{'y' * 200}/1.png", "n\0l", "n\0/1"]),
    st.text(st.sampled_from("ab./é"), max_size=6),
)
LABELS = {"a": st.sampled_from(["", "0", "1", "0.1", "nan"]), "b": st.sampled_from(["1", "0", "2", "-0", "x"])}
CELLS = {
    **dict.fromkeys(("image", "mask", "mask:a", "image:off", "x:y", "gaze"), NAMES),
    **dict.fromkeys(("id", "patient", "split", "age"), st.sampled_from(["", "1", "2"])),
    **LABELS,
    "label": st.sampled_from(["a", "b", "a", "b", "c", ""]),
    "sha256": st.sampled_from(["", "00FF"]),
}


@given(
    st.lists(st.tuples(*[CELLS[name] for name in HEADER]), min_size=1, max_size=4),
    st.sampled_from(["multiclass", "multilabel"]),
)
@example([("p/1.png", "a", "1", "", "", "", "", "", "m/1.png", "o.png", "", "", "00FF", "61")], "multilabel")
def test_many_rows_at_once_are_read_as_each_alone(rows: list[tuple[str, ...]], task: Task) -> None:
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
        return
    assert not refused
    assert list(ids) == [case.id for case in alone]
    assert list(map(repr, map(block.case, range(len(rows))))) == list(map(repr, alone))
    assert list(map(repr, map(Block.of(alone).case, range(len(rows))))) == list(map(repr, alone))


def test_a_folder_is_the_same_whatever_stood_before(tmp_path: Path) -> None:
    reader = RowReader(["image", "label"], tmp_path, "multiclass", ("a",))
    for name in ("p/1", "p/./1", "./p/1", "p//1", "q/../p/1", f"{tmp_path}/p/1"):
        block, _ = reader.block([(name, "a")])
        assert block.case(0).image == tmp_path / "p" / "1"
        assert str(block.case(0).image) == os.path.normpath(tmp_path / name)
