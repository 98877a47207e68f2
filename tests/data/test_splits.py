from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.data.cohort import Case, Cohort
from sightline.data.splits import split_by_patient
from sightline.errors import SettingsError


def cohort_of(labels: list[int | tuple[float, ...]], patients: list[int], classes: int = 3) -> Cohort:
    cases = tuple(
        Case(f"{n}", Path(f"/x/{n}.png"), label, f"p{patient}")
        for n, (label, patient) in enumerate(zip(labels, patients, strict=True))
    )
    task = "multiclass" if isinstance(labels[0], int) else "multilabel"
    return Cohort(Path("/x"), task, tuple("abcdefgh"[:classes]), cases)


def random_cohort(seed: int, size: int) -> Cohort:
    generator = np.random.default_rng(seed)
    return cohort_of(generator.choice(3, size, p=[0.6, 0.3, 0.1]).tolist(), generator.integers(0, size, size).tolist())


@settings(deadline=None)
@given(st.integers(0, 100), st.integers(1, 120))
def test_no_patient_is_ever_parted(seed: int, size: int) -> None:
    cohort = split_by_patient(random_cohort(seed, size), seed=seed)
    places = {(case.patient, case.split) for case in cohort.cases}
    assert len(places) == len({case.patient for case in cohort.cases})
    assert {case.split for case in cohort.cases} <= {"train", "val", "test"}


@pytest.mark.parametrize("seed", range(5))
def test_every_split_has_its_share_of_each_class(seed: int) -> None:
    cohort = split_by_patient(random_cohort(seed, 2000), seed=seed)
    total = Counter(case.label for case in cohort.cases)
    for split, fraction in {"train": 0.7, "val": 0.1, "test": 0.2}.items():
        there = Counter(case.label for case in cohort.split(split).cases)
        for label, count in total.items():
            assert there[label] == pytest.approx(fraction * count, abs=3)


def test_several_labels_an_image_are_shared_out_too() -> None:
    generator = np.random.default_rng(0)
    labels = [tuple(row) for row in (generator.random((1000, 4)) < [0.5, 0.2, 0.1, 0.03]).astype(float).tolist()]
    cohort = split_by_patient(cohort_of(labels, list(range(1000)), 4), seed=0)
    total = np.asarray(labels).sum(axis=0)
    for split, fraction in {"train": 0.7, "val": 0.1, "test": 0.2}.items():
        cases = cohort.split(split).cases
        assert len(cases) == pytest.approx(1000 * fraction, abs=4)
        np.testing.assert_allclose(np.sum([case.label for case in cases], axis=0), fraction * total, atol=4)


def test_classes_too_rare_to_share_keep_the_splits_of_one_size() -> None:
    cohort = cohort_of(list(range(8)), list(range(8)), 8)
    for seed in range(10):
        halves = split_by_patient(cohort, fractions={"a": 0.5, "b": 0.5}, seed=seed)
        assert Counter(case.split for case in halves.cases) == {"a": 4, "b": 4}


def test_the_seed_decides_and_the_order_of_cases_does_not() -> None:
    cohort = random_cohort(0, 200)
    once = {case.id: case.split for case in split_by_patient(cohort, seed=1).cases}
    backwards = replace(cohort, cases=cohort.cases[::-1])
    assert once == {case.id: case.split for case in split_by_patient(backwards, seed=1).cases}
    assert once != {case.id: case.split for case in split_by_patient(cohort, seed=2).cases}


@pytest.mark.parametrize("fractions", [{}, {"train": 1.0, "test": 0.0}, {"train": 0.5, "test": 0.4}])
def test_fractions_that_do_not_add_up_are_an_error(fractions: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="positive and add up to 1"):
        split_by_patient(random_cohort(0, 10), fractions=fractions, seed=0)
