from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sightline.evaluation.audit.maps.few_cases import class_of, partners_of, spread_over_classes

from ..made import cohort_of


@given(counts=st.lists(st.integers(1, 12), min_size=1, max_size=3), limit=st.integers(0, 40), seed=st.integers(0, 99))
def test_classes_come_in_turn_and_more_cases_begin_with_fewer(counts: list[int], limit: int, seed: int) -> None:
    cases = cohort_of([k for k, count in enumerate(counts) for _ in range(count)]).cases
    drawn = spread_over_classes(cases, limit, seed)
    assert len(drawn) == min(limit, len(cases)) == len(set(drawn))
    assert spread_over_classes(cases, limit + 3, seed)[: len(drawn)] == drawn
    taken = Counter(case.label for case in drawn)
    for k, count in enumerate(counts):
        assert taken[k] == count or taken[k] >= max(taken.values(), default=0) - 1


def test_of_several_labels_the_first_that_is_there_is_the_class() -> None:
    cases = cohort_of([(0.0, 1.0, 1.0), (0.0, float("nan"), 0.5)], task="multilabel").cases
    assert [class_of(case) for case in cases] == [1, -1]


def test_partners_are_of_another_class_where_there_is_one() -> None:
    cases = cohort_of([0, 0, 1, 0]).cases
    found = partners_of(cases)
    assert [found[case.id].id for case in cases] == ["case-002", "case-002", "case-003", "case-002"]
    alike = cohort_of([1, 1, 1]).cases
    assert [partners_of(alike)[case.id].id for case in alike] == ["case-001", "case-002", "case-000"]
    assert partners_of(alike[:1]) == {}
