import math
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from operator import call
from typing import Any

import pytest

from sightline.errors import DataError
from sightline.machines import pool
from sightline.machines.pool import default_processes, in_processes

ROOTS = [partial(math.isqrt, number**2) for number in range(12)]


@pytest.mark.parametrize("processes", [1, 2])
def test_every_task_is_done_once(processes: int) -> None:
    done = list(in_processes(call, ROOTS, processes=processes))
    assert sorted(result for _, result in done if result is not None) == list(range(12))
    assert [task() for task, _ in done] == [result for _, result in done]
    assert multiprocessing.active_children() == []


def test_the_task_of_a_killed_process_is_done_by_another() -> None:
    tasks: list[Any] = [partial(time.sleep, 0.5), *ROOTS]  # the first one's process will be killed
    done = []
    for number, (task, _) in enumerate(in_processes(call, tasks, processes=2)):
        done.append(task)
        if number == 0:
            for child in multiprocessing.active_children():
                os.kill(child.pid or 0, signal.SIGKILL)
    assert sorted(map(str, done)) == sorted(map(str, tasks))


def test_a_task_that_ends_every_process_is_given_up() -> None:
    done = dict(in_processes(call, [partial(os._exit, 3), *ROOTS[:3]], processes=2))
    assert [result for task, result in done.items() if task.func is os._exit] == [None]
    assert sorted(result for task, result in done.items() if task.func is math.isqrt) == [0, 1, 2]


def test_an_error_ends_it_and_every_process() -> None:
    tasks = [partial(time.sleep, 60), partial(int, "many"), *ROOTS]
    with pytest.raises(ValueError, match="many"):
        list(in_processes(call, tasks, processes=2))
    assert multiprocessing.active_children() == []


def test_a_single_task_that_ends_its_process_does_not_end_this_one() -> None:
    assert list(in_processes(os._exit, [3], processes=2)) == [(3, None)]


def test_an_error_that_goes_through_no_pipe_is_told_in_words() -> None:
    unsendable = OSError("disk and pipe")
    unsendable.held = lambda: None  # type: ignore[attr-defined]  # which no pickle takes
    assert str(pool._sendable(unsendable)) == "OSError: disk and pipe"
    error = DataError("no such case")
    assert pool._sendable(error) is error


def test_each_process_sees_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    tasks = [partial(os.getenv, "CUDA_VISIBLE_DEVICES")] * 2  # each process gets one as it starts
    seen = [result for _, result in in_processes(call, tasks, processes=2, gpus=("2", "3"))]
    assert sorted(map(str, seen)) == ["2", "3"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,3"


def test_processes_see_the_environment_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [partial(os.getenv, "SIGHTLINE_OF_NOW"), partial(os.getenv, "SIGHTLINE_OF_NOW")]
    for value in ("first", "second", None):  # the server of forks may have begun with any of them
        if value is None:
            monkeypatch.delenv("SIGHTLINE_OF_NOW")
        else:
            monkeypatch.setenv("SIGHTLINE_OF_NOW", value)
        assert [result for _, result in in_processes(call, asked, processes=2)] == [value] * 2


def test_who_stops_asking_ends_every_process() -> None:
    results = in_processes(call, [ROOTS[0], partial(time.sleep, 60), *ROOTS], processes=2)
    next(results)
    assert isinstance(results, Iterator)
    results.close()  # type: ignore[attr-defined]  # as an interrupt does
    assert multiprocessing.active_children() == []


def test_there_is_at_least_one_process_and_no_more_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= default_processes() <= (os.cpu_count() or 1)
    monkeypatch.setattr(pool, "_MEMORY_GIB", 1e6)
    assert default_processes() == 1
