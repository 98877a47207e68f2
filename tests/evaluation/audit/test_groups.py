from itertools import pairwise

import pytest

from sightline.evaluation.audit.groups import AGE_BANDS, age_band, groups_of

from .made import cohort_of


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("0", "under 18"),
        ("17.9", "under 18"),
        ("18", "18 to 39"),
        ("39", "18 to 39"),
        ("040Y", "40 to 59"),
        ("63 years", "60 to 79"),
        ("80", "80 and over"),
        ("011M", "under 18"),
        ("090D", "under 18"),
        ("228M", "18 to 39"),
        ("900W", "under 18"),
        ("1300w", "18 to 39"),
        ("9000D", "18 to 39"),
        ("030W", "under 18"),
        ("414", ""),
        ("-3", ""),
        ("old", ""),
        ("nan", ""),
        ("", ""),
    ],
)
def test_ages_fall_into_bands(text: str, band: str) -> None:
    assert age_band(text) == band


def test_bands_follow_one_another() -> None:
    ends = list(AGE_BANDS.values())
    assert all(one[1] == other[0] for one, other in pairwise(ends))


def test_groups_need_patients_on_both_sides() -> None:
    sexes, views = ["M"] * 6 + ["female"] * 3 + ["?"], ["PA"] * 8 + ["ap", "AP"]
    cohort = cohort_of([0] * 10, sources=("east",), sex=sexes, view=views, age=["50"] * 10)
    found = groups_of(cohort.cases, least=3)
    assert list(found) == ["sex female", "sex male"], "two of a view, one source and one age are too few"
    assert found["sex male"] == (True,) * 6 + (False,) * 3 + (None,)
    assert found["sex female"] == (False,) * 6 + (True,) * 3 + (None,)
    assert list(groups_of(cohort.cases, least=2)) == ["sex female", "sex male", "view ap", "view pa"]


def test_patients_are_counted_not_images() -> None:
    cohort = cohort_of([0] * 8, sources=(), pairs=True, sex=["M", "M", "M", "M", "F", "F", "F", "F"])
    assert len(groups_of(cohort.cases, least=2)) == 2
    assert groups_of(cohort.cases, least=3) == {}
