import gc
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.data.case import Case
from sightline.data.case_columns import MOST
from sightline.data.case_table import Block, CaseTable
from sightline.data.cohort import Cohort
from sightline.data.epochs import Batches, check_variants
from sightline.errors import DataError
from sightline.types import Batch


@dataclass(frozen=True, kw_only=True)
class Named(Batches):
    """Batches without images."""

    def make(self, indices: Sequence[int]) -> Batch:
        assert all(type(index) is int for index in indices)  # generators are seeded by them
        nothing = torch.zeros(0)
        return Batch(nothing, nothing, nothing, tuple(self.cohort.cases[index].id for index in indices))


def cohort_of(count: int) -> Cohort:
    root = Path("/films")
    cases = (
        Case(str(n), root / f"{n}.png", n % 2, str(n // 2), split=("val", "train")[n % 3 > 0]) for n in range(count)
    )
    return Cohort(root, "multiclass", ("a", "b"), CaseTable.of(cases))


@pytest.fixture(scope="module")
def million() -> Cohort:
    """16 times the same block: more than a million cases in no time."""
    some = cohort_of(MOST)
    assert isinstance(some.cases, CaseTable)
    return replace(some, cases=CaseTable([Block.of(list(some.cases))] * 16))


@pytest.mark.parametrize("columns", [True, False])
def test_the_order_of_an_epoch_is_the_permutation_it_always_was(columns: bool) -> None:
    cohort = cohort_of(11)
    cohort = cohort if columns else replace(cohort, cases=tuple(cohort.cases))
    generator = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(2,)))
    made = list(Named(cohort=cohort, batch_size=4, seed=3, epoch=2))
    assert [name for batch in made for name in batch.cases] == [str(n) for n in generator.permutation(11)]
    # as drawn before cohorts had columns: runs begun then are resumed
    assert [name for batch in made for name in batch.cases] == [str(n) for n in (2, 0, 9, 6, 7, 5, 10, 1, 4, 8, 3)]
    assert [batch.cases for batch in Named(cohort=cohort, batch_size=4, seed=3, epoch=2, start=1)] == [
        batch.cases for batch in made[1:]
    ]


def test_processes_share_an_epoch_of_columns_without_overlap(million: Cohort) -> None:
    shares = [next(iter(Named(cohort=million, batch_size=9, seed=0, share=(rank, 4), start=7))) for rank in range(4)]
    whole = next(iter(Named(cohort=million, batch_size=9, seed=0, start=7)))
    assert [name for share in shares for name in share.cases] == list(whole.cases)


def test_an_epoch_of_a_million_cases_takes_eight_bytes_a_case(million: Cohort) -> None:
    train = million.split("train")
    assert isinstance(train.cases, CaseTable)
    for _ in islice(Named(cohort=train, batch_size=32, seed=0), 2):
        pass  # what is imported and kept by numpy
    gc.collect()
    tracemalloc.start()
    for _ in islice(Named(cohort=train, batch_size=32, seed=0, share=(1, 2)), 5):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(train.cases) > 690_000
    assert peak < 8 * len(train.cases) + 2**20


def test_a_split_of_a_million_cases_takes_a_few_bytes_a_case(million: Cohort) -> None:
    tracemalloc.start()
    train, splits = million.split("train"), million.splits
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert splits == ("val", "train")
    assert kept < 4 * len(train.cases) + 2**20


def test_the_first_case_without_a_variant_is_named() -> None:
    cohort = cohort_of(5)
    cases = [replace(case, variants={} if case.id == "3" else {"off": case.image}) for case in cohort.cases]
    for some in (tuple(cases), CaseTable.of(cases)):
        with pytest.raises(DataError, match=r"^3.png has no variant with its bias off; add a column 'image:off'"):
            check_variants(replace(cohort, cases=some), "off")
        check_variants(replace(cohort, cases=some[:3]), "off")
        check_variants(replace(cohort, cases=some), "on")
