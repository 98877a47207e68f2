from collections.abc import Callable
from typing import Any

import pytest
import torch

from sightline.attribution import RandomClass
from sightline.errors import RunError
from sightline.guidance.sharing import (
    Share,
    found,
    gathered,
    mean_over_processes,
    rows_of_batch,
    sharing,
    side_by_side,
)


def beside(*others: Any) -> Callable[[Any], list[Any]]:
    """Ask one more process, whose answers are known."""
    answers = iter([*others, ("the end of the step", None)])
    return lambda value: [value, next(answers)]


def test_alone_everything_is_as_it_is() -> None:
    count = torch.tensor(3)
    assert mean_over_processes(count) is count
    assert mean_over_processes(7) == 7
    assert found(torch.tensor([False, True]))
    assert not found(torch.zeros(2, dtype=torch.bool))
    assert gathered(count) is count
    assert rows_of_batch(4) == (slice(0, 4), 4)
    assert not side_by_side()


def test_counts_are_means_over_the_processes() -> None:
    other = ("a count", torch.tensor([1.0, 0.0], dtype=torch.float64))
    with sharing(Share(0, 5, beside(("a count", 2.0), other))):
        assert mean_over_processes(3) == 2.5
        counts = mean_over_processes(torch.tensor([3, 0]))
    assert counts.dtype == torch.float32
    assert counts.tolist() == [2.0, 0.0]


def test_what_one_has_found_all_have() -> None:
    with sharing(Share(0, 5, beside(("a decision", True), ("a decision", False)))):
        assert found(torch.tensor([False]))
        assert not found(torch.tensor([False]))


def test_values_stand_in_the_order_of_the_processes() -> None:
    with sharing(Share(0, 5, beside(("values", torch.tensor([2.0, 3.0]))))):
        assert gathered(torch.tensor([1.0])).tolist() == [1.0, 2.0, 3.0]


def test_random_classes_are_one_draw_for_the_whole_batch() -> None:
    logits = torch.zeros(7, 5)
    whole = RandomClass(torch.Generator().manual_seed(1)).select(logits).classes
    parts = []
    for part in (logits[:3], logits[3:]):
        with sharing(Share(0 if len(part) == 3 else 3, 7, beside())):
            target = RandomClass(torch.Generator().manual_seed(1), rows_of_batch)
            parts.append(target.select(part).classes)
    assert torch.equal(torch.cat(parts), whole)
    one_after_the_other = torch.Generator().manual_seed(1)  # in parts of a step
    again = [RandomClass(one_after_the_other).select(part).classes for part in (logits[:3], logits[3:])]
    assert torch.equal(torch.cat(again), whole)


def test_processes_that_go_different_ways_are_told() -> None:
    with (
        pytest.raises(RunError, match=r"different ways through the guidance \(a count, a decision\)"),
        sharing(Share(0, 5, beside(("a decision", True)))),
    ):
        mean_over_processes(3)


def test_one_that_asks_less_than_the_other_is_told() -> None:
    with (
        pytest.raises(RunError, match=r"\(the end of the step, a count\)"),
        sharing(Share(0, 5, beside(("a count", 1.0)))),
    ):
        pass
    assert mean_over_processes(7) == 7
