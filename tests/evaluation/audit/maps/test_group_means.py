import numpy as np
import pytest

from sightline.evaluation.audit import Columns
from sightline.evaluation.audit.maps.group_means import group_means, groups_of, numbers_of
from sightline.metrics import Resampling, patient_means

from ..made import cohort_of, labels_of, without


def test_groups_are_all_then_classes_then_sources() -> None:
    cohort = cohort_of(labels_of(6))
    answered = np.array([0, 0, 2, 2, 2, 0])
    found = groups_of(Columns(cohort.cases, {}), answered, cohort.classes)
    assert list(found) == ["", "class none", "class right", "source east", "source west"]
    assert found["class right"].tolist() == [False, False, True, True, True, False]
    assert found[""].all()
    lone = without(cohort, source="east")
    assert list(groups_of(Columns(lone.cases, {}), answered, cohort.classes)) == ["", "class none", "class right"]


def test_of_very_many_sources_the_greatest_are_told_of() -> None:
    cohort = cohort_of([0] * 60, sources=tuple(f"s{index}" for index in range(20)), classes=("only",))
    found = groups_of(Columns(cohort.cases, {}), np.zeros(60, np.int64), ("only",))
    assert len([name for name in found if name.startswith("source")]) == 12


def test_means_are_those_of_the_members_with_intervals_over_patients() -> None:
    values = np.array([0.1, 0.2, np.nan, 0.4, 0.6, 0.8])
    rows = np.array([True, True, True, False, False, True])
    patients, resampling = tuple("aabbcc"), Resampling(400, seed=3)
    found = group_means(
        {"x": values}, {"": np.ones(6, bool), "some": rows, "none": ~np.ones(6, bool)}, patients, resampling
    )
    assert found["x"][""].value == pytest.approx(np.nanmean(values))
    assert found["x"]["some"].value == pytest.approx((0.1 + 0.2 + 0.8) / 3)
    (alone,) = patient_means(np.where(rows, values, np.nan)[:, None], patients, resampling=resampling)
    assert found["x"]["some"] == alone
    assert [number.of for number in numbers_of(found)] == ["", "some"]
