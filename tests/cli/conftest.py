from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.cli.main import main


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a demo of seconds has run: a cohort, two runs, their tests and the report."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    settings = ["epochs=1", "data.batch_size=8", "data.preprocessing.size=32", "model.width=4"]
    words = ["demo", "-q", "--out", str(folder), "--counts", "train=18,val=6,test=9,ood=6", *settings]
    assert main(words) == 0
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that need the demo on one worker, so that it runs once (`--dist loadgroup`)."""
    for item in items:
        if "demo" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("demo"))


@pytest.fixture
def cluster() -> Iterator[str]:
    """Address of a scheduler with two workers in this process."""
    distributed = pytest.importorskip("distributed")
    how = {"protocol": "tcp", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "processes": False}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=2, **how) as made:
        yield made.scheduler_address
