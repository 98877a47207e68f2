import numpy as np

from sightline.cli.scores import pairs_table, side_by_side
from sightline.comparing import Comparison, Condition
from sightline.evaluation import Evaluation, Predictions, measure

TEST = Condition("test")
LABELS = np.arange(12) % 2


def run(right: int) -> dict[Condition, Evaluation]:
    """A classifier that is right about the first images."""
    answers = np.where(np.arange(12) < right, LABELS, 1 - LABELS)
    names = tuple(f"c{i}" for i in range(12))
    nothing = np.full(12, np.nan)
    known = Predictions(
        "multiclass", ("a", "b"), names, names, LABELS, np.eye(2)[answers], answers, np.full(12, -1), nothing, nothing
    )
    return {TEST: Evaluation(known, measure(known))}


def test_every_pair_of_a_few_recipes_is_shown() -> None:
    lines = pairs_table(Comparison({"a": run(6), "b": run(12), "c": run(12)})).splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["b", "over", "a"], ["c", "over", "a"], ["c", "over", "b"]]
    assert "+0.00 [+0.00, +0.00]" in lines[3]
    assert lines[3].endswith("1.000")


def test_of_many_recipes_the_pairs_with_the_first_are_shown() -> None:
    lines = pairs_table(Comparison({name: run(6) for name in "abcde"})).splitlines()
    assert len(lines) == 1 + 4 + 1
    assert lines[-1] == "and 6 other pairs in pairs.csv"


def test_seeds_are_one_line_with_their_spread() -> None:
    comparison = Comparison({"a-seed-0": run(6), "a-seed-1": run(12), "b-seed-0": run(12), "b-seed-1": run(12)})
    head, first, second = side_by_side(comparison).splitlines()
    assert head.split() == ["macro-F1", "test", "on", "inside"]
    assert first.split() == ["a", "0.75", "±", "0.35", "-"]
    assert second.split() == ["b", "1.00", "±", "0.00", "-"]
