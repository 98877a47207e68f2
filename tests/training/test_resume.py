"""A training that is stopped, or killed outright in another process, and goes on here."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sightline.errors import RunError
from sightline.guidance import BackgroundRelevanceSettings
from sightline.plain import to_plain
from sightline.runs import RunFolder, write_text
from sightline.training import TrainSettings, train
from sightline.yaml12 import dump

Make = Callable[..., TrainSettings]

KILLED = """
import os, signal, sys, torch
from pathlib import Path
from sightline.cli.settings import read_settings
from sightline.training import TrainSettings, train

torch.set_num_threads(int(sys.argv[4]))

def advance(step, steps, words):
    if step == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

train(read_settings(TrainSettings, [sys.argv[1]]), Path(sys.argv[2]), resume=True, advance=advance)
"""


def same(one: RunFolder, other: RunFolder) -> bool:
    a, b = load_file(one.weights), load_file(other.weights)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def train_until_killed(settings: TrainSettings, folder: Path, *, at: int) -> None:
    config = folder.with_suffix(".yaml")
    write_text(config, dump(to_plain(settings)))
    words = [str(config), str(folder), str(at), str(torch.get_num_threads())]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *words], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(
    ("optim", "guidance", "kills"),
    [
        ({"name": "sgd", "lr": 1e-2, "averaging": 0.9}, {"every": 2, "goal": 0.1, "calibrate": 1}, [5]),
        ({"name": "adamw", "averaging": 0.9}, {}, [2, 5]),
    ],
    ids=["sgd", "adamw"],
)
def test_a_killed_training_ends_with_the_same_weights(
    make_settings: Make,
    tmp_path: Path,
    optim: dict[str, object],
    guidance: dict[str, object],
    kills: list[int],
) -> None:
    settings = make_settings(
        optim=optim, guidance=BackgroundRelevanceSettings(**guidance), select="last", checkpoint_seconds=0
    )
    whole = train(settings, tmp_path / "whole")
    run = RunFolder(tmp_path / "killed")
    for at in kills:  # step `at` is in the log and not in the checkpoint
        train_until_killed(settings, run.path, at=at)
        assert [line["step"] for line in run.metrics if "loss" in line][-1] == at
        assert torch.load(run.checkpoint, weights_only=True)["progress"]["step"] == at - 1
        assert run.status["state"] == "running"
    (run.path / "checkpoints" / ".last.pt.abc.part").touch()  # a write cut off
    train(settings, run.path, resume=True)
    assert same(run, whole)
    assert run.metrics == whole.metrics
    assert [line["step"] for line in run.metrics if "loss" in line] == [1, 2, 3, 4, 5, 6]
    assert run.status == whole.status
    assert not list(run.path.rglob("*.part"))
    first, second = (torch.load(each.checkpoint, weights_only=True) for each in (run, whole))
    assert torch.equal(first["random"], second["random"])
    assert torch.equal(first["guidance"]["_extra_state"]["generator"], second["guidance"]["_extra_state"]["generator"])


def test_a_training_killed_before_its_first_checkpoint_begins_anew(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(guided=False, epochs=1)
    whole = train(settings, tmp_path / "whole")
    train_until_killed(settings, tmp_path / "killed", at=1)
    run = train(settings, tmp_path / "killed", resume=True)
    assert run.metrics == whole.metrics
    assert same(run, whole)


@pytest.mark.parametrize("after", [2, 3], ids=["in an epoch", "at its end"])
def test_asked_to_stop_a_run_can_be_resumed(make_settings: Make, tmp_path: Path, after: int) -> None:
    done = [0]
    settings = make_settings()
    whole = train(settings, tmp_path / "whole")
    run = train(settings, tmp_path / "run", advance=lambda step, *_: done.append(step), stop=lambda: done[-1] >= after)
    assert run.status == {"state": "interrupted", "step": after, "steps": 6}
    assert not run.weights.exists()
    train(settings, run.path, resume=True)
    assert run.status["state"] == "done"
    assert same(run, whole)
    assert run.metrics == whole.metrics


def test_an_epoch_of_one_step_can_be_stopped(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(guided=False, epochs=4)
    settings = replace(settings, data=replace(settings.data, batch_size=99))
    assert train(settings, tmp_path / "run", stop=lambda: True).status["step"] == 1


def test_a_finished_run_is_returned_as_it_is(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(guided=False, epochs=1)
    run = train(settings, tmp_path / "run")
    times = {file: file.stat().st_mtime_ns for file in run.path.rglob("*")}
    assert train(settings, tmp_path / "run", resume=True) == run
    assert {file: file.stat().st_mtime_ns for file in run.path.rglob("*")} == times


def test_resuming_what_was_not_begun_begins_it(make_settings: Make, tmp_path: Path) -> None:
    assert train(make_settings(guided=False, epochs=1), tmp_path / "run", resume=True).status["state"] == "done"


def test_other_settings_are_refused_on_resuming(make_settings: Make, tmp_path: Path) -> None:
    train(make_settings(), tmp_path / "run", stop=lambda: True)
    for other, says in (
        (make_settings(optim={"lr": 0.5}), "optim.lr was 0.001 and is now 0.5"),
        (make_settings(seed=1), "seed was 0 and is now 1"),
        (make_settings(guided=False), "guidance was .* and is now None"),
    ):
        with pytest.raises(RunError, match=f"was begun with other settings: {says}; keep them or choose another name"):
            train(other, tmp_path / "run", resume=True)
    assert RunFolder(tmp_path / "run").status["state"] == "interrupted"


def test_what_does_not_change_the_result_may_change_on_resuming(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(guided=False, epochs=1)
    train(settings, tmp_path / "run", stop=lambda: True)
    moved = replace(settings, data=replace(settings.data, workers=1, cache_mib=0.0, cache_dir=tmp_path / "cache"))
    run = train(moved, tmp_path / "run", resume=True)
    assert run.status["state"] == "done"
    assert list((tmp_path / "cache" / "prepared").rglob("*"))
    straight = train(settings, tmp_path / "straight")
    assert run.weights.read_bytes() == straight.weights.read_bytes()


def test_a_checkpoint_that_is_none_is_named(make_settings: Make, tmp_path: Path) -> None:
    run = train(make_settings(), tmp_path / "run", stop=lambda: True)
    run.checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(RunError, match=r"checkpoint last\.pt cannot be loaded"):
        train(make_settings(), tmp_path / "run", resume=True)


def test_a_run_of_before_a_setting_existed_goes_on_with_its_default(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(epochs=1)
    run = train(settings, tmp_path / "run")
    config = run.config
    del config["optim"]["clip_value"], config["stages"], config["guidance"]["method"]
    write_text(run.path / "config.yaml", dump(config))
    assert train(settings, run.path, resume=True).status["state"] == "done"
    other = replace(settings, optim=replace(settings.optim, clip_value=0.1))
    with pytest.raises(RunError, match=r"optim.clip_value was None and is now 0.1"):
        train(other, run.path, resume=True)
    config["optim"]["warm"] = 3
    write_text(run.path / "config.yaml", dump(config))
    with pytest.raises(RunError, match=r"optim.warm was 3 and is no setting now"):
        train(settings, run.path, resume=True)
