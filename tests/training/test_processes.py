"""`sightline train --devices 2`, with real processes."""

import json
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from sightline.cli.main import main
from sightline.errors import DataError, RunError, SettingsError
from sightline.plain import to_plain
from sightline.runs import RunFolder, write_text
from sightline.training import Processes, TrainSettings, train
from sightline.training.processes import is_lost
from sightline.yaml12 import dump

Make = Callable[..., TrainSettings]

STRICKEN = """
import os, signal, sys
from pathlib import Path
from sightline.cli.main import main
from sightline.errors import DataError
from sightline.training import loop

blow = os.environ.get("BLOW", "") if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0" else ""
gradients, steps = loop.Gradients.__call__, []

def stricken(*arguments):
    steps.append(1)
    if len(steps) == 5 and os.environ["RANK"] == "1":
        if blow == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if blow == "wrong":
            raise DataError("image 7 cannot be read")
        if blow == "interrupted":
            os.kill(os.getppid(), signal.SIGINT)
    return gradients(*arguments)

loop.Gradients.__call__ = stricken
sys.exit(main(sys.argv[3:]))
"""


@pytest.fixture
def settings(make_settings: Make) -> TrainSettings:
    """Two epochs of three steps without anything that each process draws by itself."""
    made = make_settings(optim={"name": "sgd", "lr": 0.001, "averaging": 0.5}, checkpoint_seconds=0.0, select="last")
    return replace(made, model=replace(made.model, dropout=0.0), data=replace(made.data, batch_size=5, workers=1))


@pytest.fixture
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def words_of(settings: TrainSettings, folder: Path) -> list[str]:
    config = folder.with_suffix(".yaml")
    write_text(config, dump(to_plain(settings)))
    return ["train", "-q", "-c", str(config), "--out", str(folder)]


def assert_alike(one: RunFolder, other: RunFolder) -> None:
    a, b = load_file(one.weights), load_file(other.weights)
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    for first, second in zip(one.metrics, other.metrics, strict=True):
        assert first.pop("stage", "") == second.pop("stage", "")
        # which in float32 moves by half a per cent with the order of the sums
        assert first.pop("gradient_norm", 0) == pytest.approx(second.pop("gradient_norm", 0), rel=1e-2)
        assert first == pytest.approx(second, rel=3e-3, abs=1e-4, nan_ok=True)
    assert one.status == other.status


@pytest.mark.slow
@pytest.mark.usefixtures("on_loopback")
def test_two_processes_train_as_one_does(settings: TrainSettings, tmp_path: Path) -> None:
    alone = train(settings, tmp_path / "alone")
    words = words_of(settings, tmp_path / "shared")
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    assert main([*words, "--devices", "2"]) == 0
    assert {name: signal.getsignal(name) for name in before} == before
    run = RunFolder(tmp_path / "shared")
    assert_alike(run, alone)
    assert run.config == alone.config
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["processes"] == 2
    saved = torch.load(run.checkpoint, weights_only=True)
    assert len(saved["random_of_others"]) == 1
    assert not torch.equal(saved["random"], saved["random_of_others"][0]["random"])


def strike(
    settings: TrainSettings,
    folder: Path,
    blow: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    restarts: int = 3,
    more: Sequence[str] = (),
) -> int:
    """Train by two processes, of which the second is struck in its fifth step."""
    script, python = folder.with_suffix(".py"), folder.with_suffix(".sh")
    script.write_text(STRICKEN)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("BLOW", blow)
    return main([*words_of(settings, folder), "--devices", "2", "--restarts", str(restarts), *more])


@pytest.mark.slow
@pytest.mark.usefixtures("on_loopback")
def test_after_a_process_was_killed_all_go_on_to_the_same_weights(
    settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert strike(settings, tmp_path / "killed", "killed", monkeypatch) == 0
    assert "a process died; all go on from the last checkpoint (restart 1)" in capfd.readouterr().err
    assert_alike(RunFolder(tmp_path / "killed"), train(settings, tmp_path / "alone"))


@pytest.mark.slow
@pytest.mark.usefixtures("on_loopback")
def test_a_process_that_dies_too_often_ends_the_run_which_can_be_resumed_by_one(
    settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert strike(settings, tmp_path / "run", "killed", monkeypatch, restarts=0) == 1
    said = [line for line in capfd.readouterr().err.splitlines() if "error" in line]
    assert said == ["error: process 1 ended by SIGKILL; --resume goes on from the last checkpoint"]
    run = train(settings, tmp_path / "run", resume=True)
    assert_alike(run, train(settings, tmp_path / "alone"))


@pytest.mark.slow
@pytest.mark.usefixtures("on_loopback")
def test_what_goes_wrong_in_one_process_is_said_once_and_not_tried_again(
    settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert strike(settings, tmp_path / "run", "wrong", monkeypatch) == 2
    assert capfd.readouterr().err.splitlines() == ["error: image 7 cannot be read"]
    assert RunFolder(tmp_path / "run").status["reason"] == "image 7 cannot be read"


@pytest.mark.slow
@pytest.mark.usefixtures("on_loopback")
def test_ctrl_c_saves_in_all_processes(
    settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert strike(settings, tmp_path / "run", "interrupted", monkeypatch) == 130
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: stopped at step")
    run = RunFolder(tmp_path / "run")
    assert run.status["state"] == "interrupted"
    assert run.status["step"] >= 5
    assert train(settings, run.path, resume=True).status["state"] == "done"


def test_batches_that_cannot_be_shared_are_refused_before_anything_is_written(
    settings: TrainSettings, tmp_path: Path
) -> None:
    crowd = replace(settings, accumulate=6)
    with pytest.raises(SettingsError, match=r"a batch of 5 images is too small for 1 processes and accumulate=6"):
        train(crowd, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--devices", "0"], "--devices must be at least 1, got 0"),
        (["--nodes", "2"], "--nodes 2 needs --address HOST:PORT of one of the machines, got ''"),
        (["--nodes", "2", "--address", "one:x"], "needs --address HOST:PORT of one of the machines, got 'one:x'"),
        (["--address", "one:2000"], "--address is where several machines meet; say how many by --nodes"),
        (["--devices", "2", "--strategy", "dp"], "--strategy must be ddp or fsdp2, got 'dp'"),
        (["--devices", "2", "--restarts", "-1"], "--restarts must be at least 0, got -1"),
        (["--devices", "2", "data.cohort=x", "epochs=0"], "epochs: must be at least 1, got 0"),
    ],
)
def test_wrong_requests_are_one_line(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "-c", "plain", "--out", str(tmp_path / "run"), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not list(tmp_path.iterdir())


def test_more_devices_than_gpus_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert main(["train", "-c", "plain", "--out", str(tmp_path / "run"), "--devices", "3", "data.cohort=x"]) == 2
    assert capsys.readouterr().err == ("error: --devices 3 needs as many GPUs, this machine has 2; or set device=cpu\n")


def test_the_process_that_died_is_named_not_the_one_that_lost_it(
    settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failure(rank: int, code: int) -> ProcessFailure:
        return ProcessFailure(rank, 1000 + rank, code, str(tmp_path / "none"))

    def launched(*_: object) -> Callable[..., None]:
        def run(*_: object) -> None:
            raise ChildFailedError("sightline", {0: failure(0, 69), 1: failure(1, -9)})  # all found at once

        return run

    monkeypatch.setattr("torch.distributed.launcher.api.elastic_launch", launched)
    assert main([*words_of(settings, tmp_path / "run"), "--devices", "2"]) == 1
    assert capsys.readouterr().err.startswith("error: process 1 ended by SIGKILL; --resume goes on")


def test_one_of_several_processes_starts_no_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "0")
    assert main(["train", "--devices", "2", "-c", "plain"]) == 2
    assert "this is one of several processes already" in capsys.readouterr().err


def test_values_that_one_process_lacks_are_those_of_the_others() -> None:
    class Others(Processes):
        def everyone(self, value: object) -> list[object]:
            return [value, {"a": 3.0, "b": float("nan"), "c": 5.0}]

    found = Others(0, 2).mean({"a": 1.0, "b": float("nan"), "d": 2.0})
    assert found.pop("b") != found.get("b")
    assert found == {"a": 2.0, "d": 2.0, "c": 5.0}


def test_an_error_in_any_process_is_raised_in_all() -> None:
    class Others(Processes):
        def everyone(self, value: object) -> list[object]:
            return [value, (None, DataError("no such image"))]

    with pytest.raises(DataError, match="no such image"):
        Others(0, 2).together(lambda: 1)


def test_other_errors_are_told_in_words() -> None:
    told: list[object] = []

    class Others(Processes):
        def everyone(self, value: object) -> list[object]:
            told.append(value)
            return [value, (None, None)]

    with pytest.raises(ZeroDivisionError):
        Others(0, 2).together(lambda: 1 // 0)
    ((_, error),) = told
    assert isinstance(error, RunError)
    assert str(error).startswith("ZeroDivisionError: ")


def test_only_what_the_others_caused_is_lost() -> None:
    assert is_lost(RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer"))
    assert not is_lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_lost(RunError("gloo"))
