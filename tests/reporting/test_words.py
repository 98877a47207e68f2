import doctest

import numpy as np
import pytest

from sightline.reporting import words
from sightline.reporting.content import Confusion, Curve, GapRow, Score
from sightline.reporting.gallery_rows import GalleryMap, GalleryRow
from sightline.reporting.words import (
    answer,
    describe_confusions,
    describe_curves,
    describe_gaps,
    describe_map,
    interval,
    number,
    percent,
)

PLAIN = GapRow("plain", {"on": Score(1.0), "off": Score(0.173)})
ISNET = GapRow("ISNet", {"on": Score(0.742), "off": Score(0.731)}, guided=True)


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (0.7349, False, "0.73"),
        (float("nan"), False, "\N{EN DASH}"),
        (-0.8312, True, "\N{MINUS SIGN}0.83"),
        (0.05, True, "+0.05"),
        (-0.001, True, "0.00"),
        (-0.001, False, "0.00"),
    ],
)
def test_number_has_two_decimals_and_a_true_minus(value: float, signed: bool, text: str) -> None:
    assert number(value, signed=signed) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.3249, "32 %"), (0.0, "0 %"), (0.001, "< 1 %"), (0.9999, "> 99 %"), (1.0, "100 %"), (np.nan, "\N{EN DASH}")],
)
def test_percent_says_the_ends_only_when_they_are_meant(share: float, text: str) -> None:
    assert percent(share).replace("\N{NO-BREAK SPACE}", " ") == text


def test_interval_is_empty_when_unknown() -> None:
    assert interval(Score(0.7, 0.65, 0.752)) == "0.65 to 0.75"
    assert interval(Score(0.7)) == ""


def test_answer_says_who_falls_and_who_stays_with_the_numbers() -> None:
    assert answer([PLAIN, ISNET], "macro-F1") == (
        "When the bias is taken out of the test images, plain falls from a macro-F1 of 1.00 to 0.17; "
        "ISNet stays level, at 0.73 after 0.74."
    )


def test_answer_does_not_praise_a_guided_recipe_that_falls() -> None:
    row = GapRow("ISNet", {"on": Score(0.9), "off": Score(0.5)}, guided=True)
    assert "ISNet falls from an accuracy of 0.90 to 0.50" in answer([row], "accuracy")
    assert "level" not in answer([row], "accuracy")


def test_answer_follows_the_paired_change_where_it_is_given() -> None:
    row = GapRow("ISNet", {"on": Score(0.80), "off": Score(0.78)}, change={"off": Score(-0.05)})
    assert "falls" in answer([row], "macro-F1")


def test_answer_without_both_conditions_names_the_score_that_is_there() -> None:
    assert answer([GapRow("plain", {"ood": Score(0.5)})], "AUROC") == "plain reaches an AUROC of 0.50."
    assert answer([], "AUROC") == ""
    missing = GapRow("plain", {"on": Score(0.5), "off": Score(float("nan"))})
    assert "cannot be compared" in answer([missing], "AUROC")


def test_charts_are_described_with_their_numbers() -> None:
    assert "ISNet: 0.74 with Bias on, 0.73 with Bias off" in describe_gaps([PLAIN, ISNET], "macro-F1")
    curve = Curve("plain", "Loss", np.array([1, 2]), np.array([0.9, 0.1]))
    assert describe_curves([curve]) == "Training charts. Loss, plain: from 0.90 to 0.10."
    matrix = Confusion("plain", "off", np.array([[3, 1], [2, 4]]), ("a", "b"))
    assert describe_confusions([matrix]) == "Confusion matrices. plain, Bias off: 7 of 10 right."


def test_heatmap_is_described_without_a_share_when_it_is_unknown() -> None:
    row = GalleryRow("case-1", np.zeros((2, 2)), "normal", ())
    shown = GalleryMap("ISNet", np.zeros((2, 2)), "pneumonia", 0.25)
    assert describe_map(row, shown, "the lungs").endswith("of its relevance inside the lungs")
    other = GalleryMap("ISNet", np.zeros((2, 2)), "pneumonia", explained="effusion", method="LRP")
    assert describe_map(row, other, "").startswith("Heatmap of effusion by LRP, ISNet on case-1: answered pneumonia")
    unknown = describe_map(row, GalleryMap("ISNet", np.zeros((2, 2)), "pneumonia"), "the lungs")
    assert unknown == "Heatmap, ISNet on case-1: answered pneumonia, true normal"


def test_examples_in_docstrings_are_true() -> None:
    assert doctest.testmod(words).failed == 0
