import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import call
from pathlib import Path
from typing import Any

import pytest

from sightline.errors import DataNotFoundError, LostWorkError, MissingExtraError
from sightline.machines import cluster
from sightline.machines.cluster import SILENT_S, Watch, on_cluster

ROOTS = [partial(math.isqrt, number**2) for number in range(12)]


@contextmanager
def local(workers: int, *, processes: bool = False) -> Iterator[Any]:
    """A scheduler and workers of one thread each, on loopback."""
    distributed = pytest.importorskip("distributed")
    how = {"protocol": "tcp", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(n_workers=workers, threads_per_worker=1, processes=processes, **how) as made:
        yield made


def test_a_dask_cluster_does_them_by_its_address() -> None:
    with local(2) as made:
        done = list(on_cluster(call, ROOTS, address=made.scheduler_address))
        assert sorted(result for _, result in done if result is not None) == list(range(12))
        with pytest.raises(ValueError, match="many"):
            list(on_cluster(call, [partial(int, "many")], address=made.scheduler_address))


def test_only_the_task_that_ends_its_workers_is_given_up() -> None:
    dask = pytest.importorskip("dask")
    tasks: list[Any] = [partial(os._exit, 3), *ROOTS[:5]]
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), local(1, processes=True) as made:
        done = dict(on_cluster(call, tasks, address=made.scheduler_address))
    assert [done[task] for task in tasks] == [None, 0, 1, 2, 3, 4]


def test_workers_that_are_gone_are_told_once_and_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cluster, "SILENT_S", 0.0)
    monkeypatch.setattr(cluster, "_LOOK_S", 0.05)
    with local(0) as made:

        def join_late() -> None:
            while "has no worker" not in caplog.text:
                time.sleep(0.01)
            time.sleep(0.3)
            made.scale(1)

        thread = threading.Thread(target=join_late)
        thread.start()
        done = dict(on_cluster(call, [partial(time.sleep, 1), *ROOTS[:3]], address=made.scheduler_address))
        thread.join()
        assert sorted(map(str, done.values())) == ["0", "1", "2", "None"]
        words = [record.message for record in caplog.records if record.name == cluster.__name__]
        assert words == [
            f"{made.scheduler_address} has no worker; waiting for one, Ctrl-C ends it",
            f"{made.scheduler_address} has a worker again, going on",
        ]


def test_a_moment_without_workers_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    watch = Watch("tcp://one:1", clock=lambda: now[0])

    def words(workers: int, at: float) -> list[str]:
        now[0] = at
        caplog.clear()
        watch.see(workers)
        return [record.message.removeprefix("tcp://one:1 has ") for record in caplog.records]

    assert words(0, 0) == []
    assert words(0, SILENT_S - 1) == []
    assert words(2, SILENT_S) == [], "nothing was said, so nothing is taken back"
    assert words(0, SILENT_S + 1) == []
    assert words(0, 2 * SILENT_S) == []
    assert words(0, 2 * SILENT_S + 1) == ["no worker; waiting for one, Ctrl-C ends it"]
    assert words(0, 9 * SILENT_S) == []
    assert words(1, 9 * SILENT_S + 1) == ["a worker again, going on"]
    assert words(1, 9 * SILENT_S + 2) == []


def test_a_scheduler_that_dies_is_told() -> None:
    with local(1) as made:
        address = made.scheduler_address
        results = on_cluster(call, [ROOTS[4], *[partial(time.sleep, 0.5)] * 9], address=address)
        next(results)
        made.close()
        words = rf"^the Dask scheduler at {address} has gone; what is done stays done, the same command continues$"
        with pytest.raises(LostWorkError, match=words):
            list(results)


def test_a_cluster_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")

    def silent(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(distributed, "Client", silent)
    with pytest.raises(DataNotFoundError, match=r"^no Dask scheduler answers at tcp://127.0.0.1:1 \(TimeoutError\)$"):
        list(on_cluster(call, ROOTS, address="tcp://127.0.0.1:1"))
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"a Dask cluster needs the extra 'cluster': pip install"):
        list(on_cluster(call, ROOTS, address="tcp://127.0.0.1:1"))
