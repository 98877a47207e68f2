from pathlib import Path

import pytest

from sightline.data.cohort import Case, Cohort, did_you_mean
from sightline.errors import DataError

ROOT = Path("/somewhere/films")
CASES = tuple(
    Case(f"{n}.png", ROOT / f"{n}.png", label=0, patient=str(n), split=split)
    for n, split in enumerate(["train", "test", "train", ""])
)
COHORT = Cohort(ROOT, "multiclass", ("well", "ill"), CASES)


def test_splits_are_named_once_in_the_order_of_the_cases() -> None:
    assert COHORT.splits == ("train", "test")


def test_a_split_holds_its_cases_and_nothing_else() -> None:
    assert [case.id for case in COHORT.split("train").cases] == ["0.png", "2.png"]
    assert COHORT.split("train").classes == COHORT.classes


def test_an_unknown_split_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(DataError, match=r"no split 'tests'.*did you mean 'test'\?; there are train, test"):
        COHORT.split("tests")


def test_files_are_named_relative_to_the_root_even_outside_of_it() -> None:
    assert COHORT.name(ROOT / "a" / "b.png") == "a/b.png"
    assert COHORT.name(ROOT.parent / "c.png") == "../c.png"


def test_did_you_mean_ignores_case_and_is_silent_about_strangers() -> None:
    assert did_you_mean("CLASES", ["classes", "task"]) == "; did you mean 'classes'?"
    assert did_you_mean("zebra", ["classes", "task"]) == ""
