from argparse import Namespace
from pathlib import Path

import pytest

from sightline.cli.main import main
from sightline.cli.stopping import UsageError
from sightline.cli.working import lost_work, machines_of
from sightline.machines import Machines


def test_work_is_done_here_unless_others_are_named() -> None:
    assert machines_of(Namespace(jobs=None, cluster=None), "auto") is None
    assert machines_of(Namespace(jobs=1, cluster=None), "auto") is None
    assert machines_of(Namespace(jobs=3, cluster=None), "cpu") == Machines(3)
    assert machines_of(Namespace(jobs=None, cluster="tcp://one:1"), "auto") == Machines(cluster="tcp://one:1")
    with pytest.raises(UsageError, match="--jobs must be at least 1, got 0"):
        machines_of(Namespace(jobs=0, cluster=None), "auto")


def test_processes_take_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert machines_of(Namespace(jobs=3, cluster=None), "cuda") == Machines(3, gpus=("4", "6"))
    assert machines_of(Namespace(jobs=3, cluster=None), "cuda:0") == Machines(3)


@pytest.mark.parametrize("words", [["explain", "run"], ["audit", "run"]])
def test_one_of_the_two_is_named(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--jobs", "2", "--cluster", "tcp://one:1"]) == 2
    assert "argument --cluster: not allowed with argument --jobs" in capsys.readouterr().err


def test_lost_cases_are_named() -> None:
    told = str(lost_work([["a", "b", "c"], ["g"]], Path("maps")))
    assert told.startswith(
        "a to c (3 cases), g: every process that took this up was ended; was memory short? maps holds"
    )
    assert str(lost_work([[name] for name in "abcde"], Path("maps"))).startswith("a, b, c and 2 groups more: every")
