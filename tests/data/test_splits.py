import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.data.cohort import Case, Cohort
from sightline.data.splits import drawn, split_by_hash, split_by_patient
from sightline.errors import DataError, SettingsError

Split = Callable[..., Cohort]
BOTH = pytest.mark.parametrize("split", [split_by_patient, split_by_hash])
ROWS = st.lists(
    st.tuples(st.sampled_from(["north", "south"]), st.integers(0, 8), st.integers(0, 2)), min_size=1, max_size=40
)


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


@BOTH
@pytest.mark.parametrize("fractions", [{}, {"train": 1.0, "test": 0.0}, {"train": 0.5, "test": 0.4}])
def test_fractions_that_do_not_add_up_are_an_error(split: Split, fractions: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="positive and add up to 1"):
        split(random_cohort(0, 10), fractions=fractions, seed=0)


def of_rows(rows: list[tuple[str, int, int]]) -> Cohort:
    """A cohort of rows of source, patient and label."""
    cases = tuple(
        Case(f"{n}", Path(f"/x/{n}.png"), label, f"p{patient}", source)
        for n, (source, patient, label) in enumerate(rows)
    )
    return Cohort(Path("/x"), "multiclass", ("a", "b", "c"), cases)


def places(cohort: Cohort) -> dict[str, str]:
    return {case.id: case.split for case in cohort.cases}


def people(cohort: Cohort) -> dict[tuple[str, str], set[str]]:
    found = defaultdict(set)
    for case in cohort.cases:
        found[case.source, case.patient].add(case.split)
    return found


@BOTH
@given(rows=ROWS, seed=st.integers(0, 5), data=st.data())
def test_neither_patients_nor_what_stays_together_are_parted(
    split: Split, rows: list[tuple[str, int, int]], seed: int, data: st.DataObject
) -> None:
    cohort = of_rows(rows)
    same = data.draw(st.lists(st.sets(st.sampled_from([case.id for case in cohort.cases]), max_size=3), max_size=6))
    once = split(cohort, seed=seed, same=same)
    where = places(once)
    assert all(len(splits) == 1 for splits in people(once).values())
    assert all(len({where[name] for name in group}) <= 1 for group in same)
    order = data.draw(st.permutations(range(len(rows))))
    backwards = replace(cohort, cases=tuple(cohort.cases[index] for index in order))
    assert places(split(backwards, seed=seed, same=same[::-1])) == where


@given(ROWS, ROWS, st.integers(0, 5))
def test_rows_may_be_added_without_moving_anybody(
    rows: list[tuple[str, int, int]], more: list[tuple[str, int, int]], seed: int
) -> None:
    before = split_by_patient(of_rows(rows), seed=seed)
    after = split_by_patient(of_rows([*rows, *more]), seed=seed + 1, previous=before)
    assert places(before).items() <= places(after).items()
    assert all(len(splits) == 1 for splits in people(after).values())
    assert "" not in after.splits


@given(ROWS, ROWS, st.integers(0, 5))
def test_a_split_by_hash_does_not_depend_on_who_else_is_there(
    rows: list[tuple[str, int, int]], more: list[tuple[str, int, int]], seed: int
) -> None:
    before = split_by_hash(of_rows(rows), seed=seed)
    after = split_by_hash(of_rows([*rows, *more]), seed=seed)
    assert places(before).items() <= places(after).items()


def test_newcomers_are_dealt_to_where_most_is_missing() -> None:
    cohort = random_cohort(3, 3000)
    head = replace(cohort, cases=cohort.cases[:600])
    before = split_by_patient(head, fractions={"train": 0.9, "test": 0.1}, seed=0)
    after = split_by_patient(cohort, fractions={"train": 0.5, "test": 0.5}, seed=0, previous=before)
    for label, count in Counter(case.label for case in cohort.cases).items():
        assert Counter(case.label for case in after.split("test").cases)[label] == pytest.approx(count / 2, abs=3)


def test_a_cohort_keeps_the_splits_that_it_has_and_others_do_not_count() -> None:
    cohort = of_rows([("", n, 0) for n in range(20)])
    given_splits = ["outside"] * 10 + ["test"] + [""] * 9
    cases = tuple(replace(case, split=name) for case, name in zip(cohort.cases, given_splits, strict=True))
    cohort = replace(cohort, cases=cases)
    again = split_by_patient(cohort, fractions={"train": 0.9, "test": 0.1}, seed=0, previous=cohort)
    assert [case.split for case in again.cases] == ["outside"] * 10 + ["test"] + ["train"] * 9
    assert "outside" not in split_by_patient(cohort, seed=0).splits


def test_a_patient_in_two_splits_before_is_an_error_that_names_both_images() -> None:
    cohort = of_rows([("", 1, 0), ("", 2, 0)])
    cases = tuple(replace(case, split=name) for case, name in zip(cohort.cases, ("train", "test"), strict=True))
    before = replace(cohort, cases=cases)
    split_by_patient(cohort, seed=0, previous=before)
    with pytest.raises(DataError, match=r"0 in split 'train' and 1 in 'test' are of one patient or stay together"):
        split_by_patient(cohort, seed=0, previous=before, same=[{"0", "1"}])


@BOTH
def test_the_same_id_in_two_sources_is_two_people_unless_said_otherwise(split: Split) -> None:
    cohort = of_rows([(source, n, 0) for n in range(200) for source in ("north", "south")])
    split = partial(split, fractions={"a": 0.5, "b": 0.5}, seed=0)
    where = people(split(cohort))
    parted = sum(where["north", f"p{n}"] != where["south", f"p{n}"] for n in range(200))
    assert 60 < parted < 140
    where = people(split(cohort, across_sources=True))
    assert all(where["north", f"p{n}"] == where["south", f"p{n}"] for n in range(200))


@BOTH
def test_an_unknown_id_among_duplicates_is_an_error(split: Split) -> None:
    with pytest.raises(DataError, match=r"no image '00' in the cohort.*; 1 of 2 ids"):
        split(of_rows([("", 1, 0)]), seed=0, same=[{"0", "00"}])


def test_a_split_by_hash_has_about_its_shares_and_a_seed() -> None:
    cohort = of_rows([("", n, 0) for n in range(5000)])
    counts = Counter(case.split for case in split_by_hash(cohort, seed=0).cases)
    for name, fraction in {"train": 0.7, "val": 0.1, "test": 0.2}.items():
        assert counts[name] == pytest.approx(5000 * fraction, abs=4 * (5000 * fraction * (1 - fraction)) ** 0.5)
    assert places(split_by_hash(cohort, seed=0)) != places(split_by_hash(cohort, seed=1))


def test_what_is_drawn_is_the_same_on_every_machine() -> None:
    assert drawn(0, "a", "b") == int.from_bytes(hashlib.blake2b(b"0\0a\0b", digest_size=6).digest(), "big") / 2**48
    assert drawn(0, "ab") != drawn(0, "a", "b")


@BOTH
@given(rows=ROWS, files=st.lists(st.integers(0, 12), min_size=40, max_size=40), seed=st.integers(0, 3), data=st.data())
def test_one_image_is_in_one_split_whoever_is_said_to_be_on_it(
    split: Split, rows: list[tuple[str, int, int]], files: list[int], seed: int, data: st.DataObject
) -> None:
    cohort = of_rows(rows)
    cases = [
        replace(case, image=Path(f"/x/{file}.png")) if file % 2 else replace(case, sha256=f"{file:064x}")
        for case, file in zip(cohort.cases, files, strict=False)
    ]
    once = split(replace(cohort, cases=tuple(cases)), seed=seed)
    found = defaultdict(set)
    for case, file in zip(once.cases, files, strict=False):
        found[file].add(case.split)
    assert all(len(splits) == 1 for splits in found.values())
    assert all(len(splits) == 1 for splits in people(once).values())
    order = data.draw(st.permutations(cases))
    assert places(split(replace(cohort, cases=tuple(order)), seed=seed)) == places(once)


@BOTH
def test_parts_of_one_file_are_images_of_their_own(split: Split) -> None:
    cohort = of_rows([("", n, 0) for n in range(60)])
    cases = tuple(replace(case, image=Path(f"/x/films.npz#{case.id}"), sha256="0" * 64) for case in cohort.cases)
    assert len(split(replace(cohort, cases=cases), fractions={"a": 0.5, "b": 0.5}, seed=0).splits) == 2


@given(ROWS, ROWS, st.integers(0, 5), st.data())
def test_rows_with_copies_may_be_added_without_moving_anybody(
    rows: list[tuple[str, int, int]], more: list[tuple[str, int, int]], seed: int, data: st.DataObject
) -> None:
    """A newcomer who is a copy of an old image joins it; one who joins two old ones of different splits is refused."""
    before = split_by_patient(of_rows(rows), seed=seed)
    more = [(source, patient + 100, label) for source, patient, label in more]
    old = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=len(more), max_size=len(more)))
    same = [(str(len(rows) + n), str(index)) for n, index in enumerate(old)]
    cohort = of_rows([*rows, *more])
    wanted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (name, index), case in zip(same, cohort.cases[len(rows) :], strict=True):
        assert name == case.id
        wanted[case.source, case.patient].add(places(before)[index])
    if any(len(splits) > 1 for splits in wanted.values()):
        with pytest.raises(DataError, match="are of one patient or stay together"):
            split_by_patient(cohort, seed=seed, previous=before, same=same)
        return
    after = places(split_by_patient(cohort, seed=seed + 1, previous=before, same=same))
    assert places(before).items() <= after.items()
    assert all(after[name] == after[index] for name, index in same)
