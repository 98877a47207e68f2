from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.comparing.worst_cases import answer_probability, answered_right, explained_class, worst_cases
from sightline.evaluation import Predictions


def answers(
    labels: list[int], predicted: list[int], sure: list[float], inside: list[float], names: str = "abcdefgh"
) -> Predictions:
    """Two classes; `sure` is the probability of the answer."""
    rows, cases = np.arange(len(labels)), tuple(names[: len(labels)])
    probabilities = np.zeros((len(labels), 2))
    probabilities[rows, predicted] = sure
    probabilities[rows, 1 - np.array(predicted)] = 1 - np.array(sure)
    guess, shares = np.array(predicted), np.array(inside)
    return Predictions(
        "multiclass", ("x", "y"), cases, cases, np.array(labels), probabilities, guess, guess, shares, shares * np.nan
    )


FIRST = answers([0, 0, 1, 1, 0], [0, 1, 1, 1, 1], [0.6, 0.7, 0.95, 0.99, 0.9], [0.0, 0.5, 0.3, 0.1, np.nan])


def test_least_relevance_inside_among_wrong_or_sure_answers_comes_first() -> None:
    assert worst_cases([FIRST], number=9, sure=0.9) == ("d", "c", "b")  # a is right and unsure, e unknown
    assert worst_cases([FIRST], number=2, sure=0.9) == ("d", "c")
    assert worst_cases([FIRST], number=9, sure=0.97) == ("d", "b")
    assert worst_cases([FIRST], number=2, sure=0.9, without=("d",)) == ("c", "b")


def test_models_take_turns_and_a_case_comes_once() -> None:
    second = replace(FIRST, relevance_inside=np.array([0.9, 0.2, 0.8, 0.7, 0.1]))
    assert worst_cases([FIRST, second], number=9, sure=0.9) == ("d", "e", "c", "b")
    assert worst_cases([FIRST, second], number=2, sure=0.9) == ("d", "e")


def test_nothing_known_chooses_nothing() -> None:
    assert worst_cases([replace(FIRST, relevance_inside=np.full(5, np.nan))], number=3, sure=0.9) == ()
    assert worst_cases([], number=3, sure=0.9) == ()


@given(st.integers(0, 2**32 - 1), st.integers(0, 8))
def test_no_case_that_was_left_out_is_worse_than_one_that_was_chosen(seed: int, number: int) -> None:
    drawn = np.random.default_rng(seed)
    labels, guess = drawn.integers(0, 2, (2, 8)).tolist()
    known = answers(labels, guess, drawn.uniform(0.5, 1, 8).tolist(), drawn.random(8).tolist())
    chosen = worst_cases([known], number=number, sure=0.9)
    counted = ~answered_right(known) | (answer_probability(known) >= 0.9)
    assert len(chosen) == min(number, counted.sum())
    shares = dict(zip(known.cases, known.relevance_inside, strict=True))
    others = [shares[case] for case, counts in zip(known.cases, counted, strict=True) if counts and case not in chosen]
    assert max((shares[case] for case in chosen), default=0) <= min(others, default=1)


def test_of_several_labels_the_one_explained_counts() -> None:
    known = Predictions(
        "multilabel",
        ("x", "y", "z"),
        ("a", "b", "c", "d"),
        ("a", "b", "c", "d"),
        np.array([[1, 0, 0], [1, 0, 0], [np.nan, 1, 0], [0, 0, 1.0]]),
        np.array([[0.95, 0.1, 0.1], [0.2, 0.4, 0.1], [0.7, 0.1, 0.1], [0.1, 0.2, 0.3]]),
        np.array([[1, 0, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]]),
        np.array([0, 1, 0, -1]),
        np.array([0.1, 0.2, 0.3, 0.4]),
        np.full(4, np.nan),
    )
    np.testing.assert_array_equal(explained_class(known), [0, 1, 0, 2])  # the likeliest where none was explained
    np.testing.assert_array_equal(answered_right(known), [True, True, True, False])  # not known counts as right
    assert answer_probability(known) == pytest.approx([0.95, 0.6, 0.7, 0.7])
    assert worst_cases([known], number=9, sure=0.9) == ("a", "d")
