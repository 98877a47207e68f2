from pathlib import Path

import pytest

from sightline.comparing import choose_cases
from sightline.data import Case, Cohort
from sightline.errors import DataError


def cohort_of(*labels: int) -> Cohort:
    cases = tuple(Case(f"c{i}", Path("x.png"), label, f"c{i}") for i, label in enumerate(labels))
    return Cohort(Path(), "multiclass", ("a", "b", "c"), cases)


def test_cases_are_chosen_from_each_class_in_turn() -> None:
    chosen = choose_cases(cohort_of(1, 1, 1, 0, 0, 2), number=5)
    assert [case.id for case in chosen] == ["c3", "c0", "c5", "c4", "c1"]


def test_named_cases_come_in_the_order_of_their_names() -> None:
    assert [case.id for case in choose_cases(cohort_of(0, 1, 2), names=["c2", "c0"])] == ["c2", "c0"]
    with pytest.raises(DataError, match="no case 'c9' among the 3 cases"):
        choose_cases(cohort_of(0, 1, 2), names=["c9"])
