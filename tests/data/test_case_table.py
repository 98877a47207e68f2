import copy
import math
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.data import case_columns, case_table
from sightline.data.case import Case
from sightline.data.case_columns import Files, Labels, Texts
from sightline.data.case_table import CaseTable, Word, distinct, has_file, where
from sightline.data.cohort import Cohort
from sightline.errors import DataError

WORDS = st.one_of(st.sampled_from(["", "a", "ä", "\udc80", "train"]), st.text(max_size=4))
PATHS = st.one_of(
    st.sampled_from(["/r/a/1.png", "//r/1", "..", ".", "/", "a/..", "é/\udc80"]), st.text(max_size=5)
).map(lambda name: Path(name.replace("\0", "")))
LABELS = st.one_of(st.sampled_from([0.0, -0.0, 1.0, 0.1, math.nan]), st.floats(0, 1))


def mappings(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.dictionaries(st.sampled_from(["", "a", "b:c", "d"]), values, max_size=2)


@st.composite
def drawn_cases(draw: st.DrawFn) -> tuple[Case, ...]:
    count = draw(st.integers(0, 2))
    labels = st.tuples(*[LABELS] * count) if draw(st.booleans()) else st.integers(-(2**60), 2**60)
    one = st.builds(
        Case,
        id=WORDS,
        image=PATHS,
        label=labels,
        patient=WORDS,
        source=WORDS,
        split=WORDS,
        mask=st.none() | PATHS,
        class_masks=mappings(PATHS),
        variants=mappings(PATHS),
        gaze=st.none() | PATHS,
        report=st.none() | PATHS,
        sha256=WORDS,
        about=mappings(WORDS),
    )
    return tuple(draw(st.lists(one, max_size=9)))


@pytest.fixture(autouse=True, params=[case_columns.MOST, 3], ids=["one block", "blocks of 3"])
def most(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(case_table, "MOST", request.param)
        patch.setattr(case_columns, "MOST", request.param)
        yield


def told(cases: Sequence[Case]) -> list[str]:
    """Cases as text, in which NaN equals itself; the order of mappings counts for nothing."""
    return [repr({name: _plain(value) for name, value in vars(case).items()}) for case in cases]


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(float, value))
    return dict(sorted(value.items())) if isinstance(value, dict) else value


@given(drawn_cases())
def test_columns_give_back_the_cases_they_were_made_of(cases: tuple[Case, ...]) -> None:
    table = CaseTable.of(iter(cases))
    assert len(table) == len(cases)
    assert told(table) == told(cases)
    assert told(pickle.loads(pickle.dumps(table))) == told(table)


@given(drawn_cases(), st.data())
def test_it_is_indexed_sliced_and_taken_from_like_a_tuple(cases: tuple[Case, ...], data: st.DataObject) -> None:
    table = CaseTable.of(cases)
    for _ in range(3):
        part = data.draw(st.slices(len(cases)))
        cases, table = cases[part], table[part]
        assert isinstance(table, CaseTable)
        assert told(table) == told(cases)
        if cases:
            places = data.draw(st.lists(st.integers(-len(cases), len(cases) - 1), max_size=9))
            cases, table = tuple(cases[place] for place in places), table.take(places)
            assert told(table) == told(cases)
            assert told(pickle.loads(pickle.dumps(table))) == told(cases)
        assert told([table[place] for place in range(-len(cases), len(cases))]) == told((*cases, *cases))
        for place in (len(cases), -len(cases) - 1):
            with pytest.raises(IndexError):
                table[place]
            with pytest.raises(IndexError):
                table.take([place])


@given(drawn_cases(), st.data())
def test_questions_are_answered_as_by_the_cases_themselves(cases: tuple[Case, ...], data: st.DataObject) -> None:
    table = CaseTable.of(cases)
    part = data.draw(st.slices(len(cases)))
    cases, table = cases[part], table[part]
    fields: tuple[Word, ...] = ("id", "patient", "source", "split", "sha256")
    for field in fields:
        assert distinct(table, field) == distinct(cases, field) == tuple({getattr(c, field): 0 for c in cases})
        for value in (*distinct(cases, field), "nowhere"):
            assert told(where(table, field, value)) == told([c for c in cases if getattr(c, field) == value])
    assert has_file(table, "mask").tolist() == [case.mask is not None for case in cases]
    assert has_file(table, "gaze").tolist() == has_file(cases, "gaze").tolist() == [c.gaze is not None for c in cases]
    assert has_file(table, "class_masks").tolist() == [bool(case.class_masks) for case in cases]
    for name in ("a", "", "z"):
        assert has_file(table, "variants", name).tolist() == [name in case.variants for case in cases]
        assert has_file(cases, "variants", name).tolist() == [name in case.variants for case in cases]


CASES = tuple(
    Case(
        f"{n}.png",
        Path(f"/films/{n % 2}/{n}.png"),
        n % 3,
        f"p{n // 2}",
        "north",
        ("train", "val")[n % 4 == 3],
        mask=Path(f"/films/masks/{n}.png") if n % 2 else None,
        about={"age": str(20 + n % 5)},
    )
    for n in range(8)
)


def test_it_equals_and_hashes_like_a_tuple_of_the_same_cases() -> None:
    table = CaseTable.of(CASES)
    assert table == CASES
    same: object = CASES
    assert same == table  # from the side of the tuple
    assert table == CaseTable.of(CASES)
    assert table[2:] == CASES[2:]
    assert table != CASES[1:]
    assert table != (*CASES[:-1], replace(CASES[-1], source="south"))
    assert table != "12345678"
    assert hash(table) == hash(CASES)
    root = Path("/films")
    one, other = (Cohort(root, "multiclass", ("a", "b", "c"), cases) for cases in (table, CASES))
    assert one == other
    assert hash(one) == hash(other)
    assert one.split("val") == other.split("val")
    assert one.splits == other.splits == ("train", "val")


def test_it_is_added_to_and_searched_like_a_tuple() -> None:
    table = CaseTable.of(CASES)
    assert table[:2] + table[2:] == CASES
    assert CASES[:2] + table[2:] == CASES  # type: ignore[operator]
    assert table[:2] + CASES[2:] == CASES
    assert CASES[3] in table
    assert table.index(CASES[3]) == 3
    assert list(reversed(table)) == list(reversed(CASES))
    assert copy.deepcopy(table) is table
    assert repr(table) == "CaseTable of 8 cases"
    assert not CaseTable.of(())


def test_labels_of_two_kinds_are_refused() -> None:
    with pytest.raises(DataError, match="one class an image, or as many numbers"):
        CaseTable.of([CASES[0], replace(CASES[1], label=(1.0,))])
    with pytest.raises(DataError, match="these are mixed"):
        CaseTable.of([replace(CASES[0], label=(1.0, 0.0)), replace(CASES[1], label=(1.0,))])


def test_unknown_labels_are_equal_to_themselves() -> None:
    table = CaseTable.of([replace(CASES[0], label=(math.nan, 1.0))])
    assert table[0] == table[0]
    assert table[0].label == table[0].label


def test_what_repeats_is_kept_once() -> None:
    column = Texts.of(["north", "south", "north", None] * 1000)
    assert column.codes is not None
    assert column.codes.dtype == np.uint8
    assert column.data.tobytes() == b"northsouth\xff"
    assert Texts.of(["same"] * 500).codes is None
    files = Files.of_paths([Path(f"/a/long/way/to/{n}") for n in range(500)])
    assert files.folders.data.tobytes() == b"/a/long/way/to"
    labels = Labels.of(np.array([[0, 1, math.nan]] * 500))
    assert labels.codes is not None
    assert labels.codes.nbytes == 1500
    assert len(labels.values) == 3


def test_a_part_sends_no_more_than_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_table, "MOST", 2**16)
    table = CaseTable.of([replace(CASES[n % 8], id=f"{n}") for n in range(20_000)])
    assert len(pickle.dumps(table[5:10])) < 5_000 < len(pickle.dumps(table)) < 20_000 * 30


def test_another_process_has_the_same_cases() -> None:
    code = "import pickle, sys; print([case.id for case in pickle.load(sys.stdin.buffer)])"
    sent = pickle.dumps(CaseTable.of(CASES)[1:3])
    told = subprocess.run([sys.executable, "-c", code], input=sent, check=True, capture_output=True, timeout=100)
    assert told.stdout.decode().strip() == "['1.png', '2.png']"
