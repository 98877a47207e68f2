import math

import pytest

from sightline.errors import SettingsError
from sightline.machines import Machines, machines


def test_one_process_is_this_one_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    done = list(Machines(1).do(math.isqrt, [9, 16], lambda *how: told.append(how)))
    assert done == [(9, 3), (16, 4)]
    assert told == [(1, 2), (2, 2)]


def test_processes_that_were_asked_for_are_started_for_a_single_task_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(machines, "in_processes", lambda work, tasks, **how: asked.append(how) or [])
    monkeypatch.setattr(machines, "default_processes", lambda: 8)
    for made in (Machines(2, gpus=("0", "1")), Machines()):
        list(made.do(math.isqrt, [9]))
    assert asked == [{"processes": 2, "gpus": ("0", "1")}, {"processes": 1, "gpus": ()}]


def test_fewer_than_no_process_is_refused() -> None:
    with pytest.raises(SettingsError, match="processes must be at least 1, got -1"):
        Machines(-1)
