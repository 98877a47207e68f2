import math

import pytest

from sightline.data.adapters.people import age_of, age_text, filled, sex_of
from sightline.errors import DataError


@pytest.mark.parametrize(
    ("cell", "years"),
    [
        ("60", 60),
        ("60.5", 60.5),
        ("060Y", 60),
        ("018M", 1.5),
        ("104W", 104 / (365.25 / 7)),
        ("64days", 64 / 365.25),
        ("45yrs", 45),
        ("3 months", 0.25),
        ("28 years old", 28),
        ("0", 0),
    ],
)
def test_ages_are_years_whatever_their_unit(cell: str, years: float) -> None:
    assert age_of(cell, "age", title="set") == pytest.approx(years)


def test_an_age_left_out_is_not_known_and_words_are_refused() -> None:
    assert math.isnan(age_of(" ", "age", title="set"))
    assert age_text(math.nan) == ""
    with pytest.raises(DataError, match=r"set: column 'age' must hold ages such as 60 or 060Y, got 'sixty'"):
        age_of("sixty", "age", title="set")


def test_ages_are_written_as_people_write_them() -> None:
    assert [age_text(years) for years in (60.0, 16 / 12, 101.0)] == ["60", "1.333", "101"]


@pytest.mark.parametrize(
    ("cell", "sex"), [("F", "F"), ("Female", "F"), ("femal", "F"), ("male", "M"), ("m", "M"), ("O", ""), ("Mujer", "")]
)
def test_sex_has_one_spelling(cell: str, sex: str) -> None:
    assert sex_of(cell) == sex


def test_what_is_not_known_is_left_out() -> None:
    assert filled(age="", view="AP") == {"view": "AP"}
