from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.comparing import Condition, conditions_of
from sightline.data import Case, Cohort, PlantedBias
from sightline.errors import DataError, SettingsError


def cohort_of(*splits: str, twins: tuple[str, ...] = ()) -> Cohort:
    both = {"off": Path("o.png"), "swapped": Path("s.png")}
    cases = tuple(
        Case(f"{split}{i}", Path("x.png"), 0, f"{split}{i}", split=split, variants=both if split in twins else {})
        for split in splits
        for i in range(2)
    )
    return Cohort(Path(), "multiclass", ("a", "b"), cases)


@given(st.sampled_from(["test", "ood", "test-2", "far-off-place"]), st.sampled_from(["on", "off", "swapped"]))
def test_a_condition_reads_back_from_its_name(split: str, bias: str) -> None:
    condition = Condition(split, bias)  # type: ignore[arg-type]
    assert Condition.parse(str(condition)) == condition


def test_images_with_twins_are_tested_with_their_bias_on_off_and_swapped() -> None:
    cohort = cohort_of("train", "val", "test", "ood", twins=("test",))
    assert list(map(str, conditions_of(cohort, None))) == ["test", "test-off", "test-swapped", "ood"]


def test_a_twin_that_one_image_lacks_is_no_condition() -> None:
    cohort = cohort_of("test", twins=("test",))
    bare = replace(cohort, cases=(replace(cohort.cases[0], variants={"off": Path("o.png")}), cohort.cases[1]))
    assert list(map(str, conditions_of(bare, None))) == ["test", "test-off"]


def test_a_planted_bias_can_be_left_out_anywhere() -> None:
    cohort = cohort_of("train", "test", "ood")
    names = list(map(str, conditions_of(cohort, PlantedBias(), ["ood"])))
    assert names == ["ood", "ood-off", "ood-swapped"]


def test_there_must_be_something_to_test_on() -> None:
    with pytest.raises(SettingsError, match="nothing to test on: the splits are train, val; name one"):
        conditions_of(cohort_of("train", "val"), None)
    with pytest.raises(DataError, match="no split 'tset'"):
        conditions_of(cohort_of("test"), None, ["tset"])
