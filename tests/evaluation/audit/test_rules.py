from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.evaluation.audit.answers import Moved
from sightline.evaluation.audit.rules import (
    FEW_FLIPS,
    MANY_FLIPS,
    MARGIN,
    above,
    at_best,
    at_worst,
    below,
    stays,
    worst,
)
from sightline.evaluation.audit.section import Verdict
from sightline.metrics import Interval

NAN = float("nan")
RANK: dict[Verdict, int] = {"bad": 0, "doubtful": 1, "good": 2}


def interval(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high, 100, "made")


Pair = tuple[float, float]


def move(flips: Pair = (0, 0.01), auroc: Pair = (0, 0), f1: Pair = (0, 0)) -> Moved:
    return Moved(interval(0, 0), interval(*flips), {"auroc": interval(*auroc), "macro_f1": interval(*f1)})


@pytest.mark.parametrize(
    ("moved", "verdict"),
    [
        (move(), "good"),
        (move(auroc=(-0.019, 0.019)), "good"),
        (move(auroc=(-0.021, 0.0)), "doubtful"),
        (move(auroc=(-0.01, 0.03)), "doubtful"),
        (move(f1=(-0.3, -0.019)), "doubtful"),
        (move(f1=(-0.3, -0.021)), "bad"),
        (move(auroc=(0.1, 0.2)), "doubtful"),
        (move(flips=(0.0, 0.06)), "doubtful"),
        (move(flips=(0.1, 0.3)), "doubtful"),
        (move(flips=(0.16, 0.3)), "bad"),
        (move(auroc=(NAN, NAN), f1=(NAN, NAN)), "good"),
        (move(flips=(NAN, NAN)), "doubtful"),
    ],
)
def test_answers_stay(moved: Moved, verdict: Verdict) -> None:
    assert stays(moved) == verdict


def test_a_score_without_limits_is_not_settled() -> None:
    lone = Moved(interval(0, 0), interval(0, 0.01), {"auroc": Interval(0.0, NAN, NAN, 2, "one patient")})
    assert stays(lone) == "doubtful"


def test_what_the_control_does_too_is_not_held_against_the_model() -> None:
    fallen = move(flips=(0.3, 0.5))
    assert stays(fallen, beyond_control=fallen) == "bad"
    assert stays(fallen, beyond_control=move()) == "doubtful"
    assert stays(move(), beyond_control=fallen) == "good"


@given(value=st.floats(0, 1), widths=st.lists(st.floats(0, 0.5), min_size=2, max_size=2))
def test_a_wider_interval_never_settles_more(value: float, widths: list[float]) -> None:
    narrow, wide = sorted(widths)
    for judge in (below, above):
        one, other = (judge(Interval(value, value - w, value + w, 9, ""), good=0.5, bad=0.5) for w in (narrow, wide))
        assert other in (one, "doubtful")
    one, other = (stays(move(flips=(value - w, value + w))) for w in (narrow, wide))
    assert other in (one, "doubtful")


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_more_flips_are_never_better(values: list[float]) -> None:
    ranks = [RANK[stays(move(flips=(value, value)))] for value in sorted(values)]
    assert all(one >= other for one, other in pairwise(ranks))


def test_limits_of_good_and_bad_leave_room_for_doubt() -> None:
    assert 0 < MARGIN < FEW_FLIPS < MANY_FLIPS < 1
    assert below(interval(0.55, 0.58), good=0.6, bad=0.7) == "good"
    assert below(interval(0.62, 0.68), good=0.6, bad=0.7) == "doubtful"
    assert below(interval(0.72, 0.75), good=0.6, bad=0.7) == "bad"
    assert above(interval(0.72, 0.75), good=0.7, bad=0.7) == "good"
    assert above(interval(NAN, NAN), good=0.7, bad=0.7) == "doubtful"


def test_verdicts_are_put_together() -> None:
    assert worst(["good", "doubtful", "unknown"]) == "doubtful"
    assert worst(["good", "unknown"]) == "good"
    assert worst([]) == "unknown"
    assert at_worst("bad", "doubtful") == "doubtful"
    assert at_worst("good", "doubtful") == "good"
    assert at_best("good", "doubtful") == "doubtful"
    assert at_best("bad", "doubtful") == "bad"
