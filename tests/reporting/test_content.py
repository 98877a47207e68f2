import pytest

from sightline.errors import DataError
from sightline.reporting.content import GapRow, Score, condition_words, conditions_of


def test_change_is_the_difference_of_the_scores_unless_the_paired_one_is_given() -> None:
    row = GapRow("plain", {"on": Score(0.9), "off": Score(0.4), "swapped": Score(0.1)}, change={"off": Score(-0.52)})
    assert row.difference("off") == -0.52
    assert row.difference("swapped") == pytest.approx(-0.8)


def test_conditions_of_ones_own_are_named_as_they_are() -> None:
    assert condition_words("other hospitals") == ("other hospitals", "")
    assert condition_words("off")[0] == "Bias off"


def test_recipes_with_different_conditions_do_not_share_a_chart() -> None:
    one, other = GapRow("a", {"on": Score(1)}), GapRow("b", {"off": Score(1)})
    with pytest.raises(DataError, match="every recipe needs scores"):
        conditions_of([one, other])
    with pytest.raises(DataError, match="at least one recipe"):
        conditions_of([])
    with pytest.raises(DataError, match="at least one recipe"):
        conditions_of([GapRow("a", {})])
