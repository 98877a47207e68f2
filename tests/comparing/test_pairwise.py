import numpy as np
import pytest

from sightline.comparing.draws import draw_scores
from sightline.comparing.pairwise import pairwise, resampling_for

from .evaluations import evaluation_of

LABELS = np.arange(40) % 2


def run(right: int) -> object:
    return evaluation_of(list(np.where(np.arange(40) < right, LABELS, 1 - LABELS)), LABELS)


TESTS = pairwise(draw_scores({"a": [run(20)], "b": [run(36)], "c": [run(37)]}))  # type: ignore[list-item]


def test_every_two_recipes_meet_once_in_each_score() -> None:
    macro = [(test.first, test.second) for test in TESTS if test.metric == "macro_f1"]
    assert macro == [("a", "b"), ("a", "c"), ("b", "c")]
    assert {test.metric for test in TESTS} == {"macro_f1", "auroc"}  # nothing was explained


def test_p_values_are_corrected_by_holm_over_the_pairs_of_a_score() -> None:
    plain = {(test.first, test.second): test for test in TESTS if test.metric == "macro_f1"}
    least = sorted(plain.values(), key=lambda test: test.p_value)
    assert [test.corrected for test in least] == pytest.approx(
        [
            min(1, 3 * least[0].p_value),
            min(1, max(3 * least[0].p_value, 2 * least[1].p_value)),
            min(1, max(3 * least[0].p_value, 2 * least[1].p_value, least[2].p_value)),
        ]
    )
    assert plain["a", "b"].corrected < 0.05 < plain["b", "c"].corrected


def test_a_pair_in_json() -> None:
    told = TESTS[0].as_dict()
    assert (told["first"], told["second"], told["metric"]) == ("a", "b", "macro_f1")
    assert told["low"] < told["value"] < told["high"]
    assert told["p_holm"] >= told["p_value"]


def test_a_large_difference_can_be_told_among_any_number_of_recipes() -> None:
    for recipes in (2, 5, 11, 30):
        pairs = recipes * (recipes - 1) / 2
        assert pairs * 2 / (resampling_for(recipes).resamples + 1) < 0.05 / 5
    assert resampling_for(3).resamples == 2000
