import math

import pytest
import torch

from sightline.guidance.multiplier import Multiplier


def test_it_rises_while_violated_and_falls_while_there_is_room() -> None:
    multiplier = Multiplier(goal=0.1, rate=0.5)
    assert multiplier.strength == 0.5
    multiplier.update(torch.tensor(0.15))  # log lambda rises by 0.5 * 0.05 / 0.1
    assert multiplier.strength == pytest.approx(1 / (1 + math.exp(-0.25)))
    multiplier.update(torch.tensor(0.0))
    assert multiplier.strength == pytest.approx(1 / (1 + math.exp(0.25)))
    multiplier.update(torch.tensor(0.1))
    assert multiplier.strength == pytest.approx(1 / (1 + math.exp(0.25)))


def test_a_step_and_the_strength_are_bounded() -> None:
    multiplier = Multiplier(goal=0.01, rate=0.5)
    multiplier.update(torch.tensor(1.0))  # 99 times the goal counts as once
    assert multiplier.strength == pytest.approx(1 / (1 + math.exp(-0.5)))
    for _ in range(50):
        multiplier.update(torch.tensor(1.0))
    assert 0.98 < multiplier.strength < 1


def test_what_was_not_measured_changes_nothing() -> None:
    multiplier = Multiplier(goal=0.1)
    multiplier.update(torch.tensor(float("nan")))
    assert multiplier.strength == 0.5


def test_it_is_in_the_state_dict() -> None:
    one, other = Multiplier(goal=0.1), Multiplier(goal=0.1)
    one.update(torch.tensor(1.0))
    other.load_state_dict(one.state_dict())
    assert other.strength == one.strength != 0.5
