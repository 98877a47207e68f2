import math
from functools import partial
from operator import call
from pathlib import Path

import pytest

from sightline.errors import DataNotFoundError, MissingExtraError
from sightline.machines.cluster import on_cluster

ROOTS = [partial(math.isqrt, number**2) for number in range(12)]


def test_a_dask_cluster_does_them_by_its_address() -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=None
    ) as cluster:
        done = list(on_cluster(call, ROOTS, address=cluster.scheduler_address))
        assert sorted(result for _, result in done if result is not None) == list(range(12))
        with pytest.raises(ValueError, match="many"):
            list(on_cluster(call, [partial(int, "many")], address=cluster.scheduler_address))


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
