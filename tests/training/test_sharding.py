"""`sightline train --devices 2 --strategy fsdp2`: weights shared out between steps, with the result of one process."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from sightline.cli.main import main
from sightline.errors import SettingsError
from sightline.guidance import BackgroundRelevanceSettings, MapSupervisionSettings
from sightline.models import ModelSettings
from sightline.runs import RunFolder
from sightline.training import OptimSettings, Stage, TrainSettings, train
from sightline.training.sharding import check_shardable, emptied, load_state, whole, whole_state

from .test_processes import assert_alike, on_loopback, settings, strike, words_of

__all__ = ["on_loopback", "settings"]  # fixtures

Make = Callable[..., TrainSettings]
SHARDED = ["--devices", "2", "--strategy", "fsdp2"]


def staged(settings: TrainSettings) -> TrainSettings:
    """A stage in which a part is frozen before one in which all is trained and the best is kept."""
    few = OptimSettings("sgd", lr=0.001, averaging=0.0, warmup=0.0)
    guided = BackgroundRelevanceSettings()
    stages = {"head": Stage(1, trains=("fc", "layer4.1"), optim=few), "all": Stage(2, guidance=guided, optim=few)}
    return replace(settings, stages=stages, guidance=None, select="best")


def falling(settings: TrainSettings) -> TrainSettings:
    """A learning rate that falls after the second epoch, from the weights of the first."""
    optim = OptimSettings("sgd", lr=0.001, momentum=0.0, schedule="plateau", plateau=1, warmup=0.0, averaging=0.0)
    return replace(settings, guidance=None, epochs=4, optim=optim)


@pytest.mark.slow
@pytest.mark.usefixtures("on_loopback")
@pytest.mark.parametrize("course", [lambda one: one, staged, falling], ids=["guided", "stages", "plateau"])
def test_it_trains_as_one_process_does(
    settings: TrainSettings, tmp_path: Path, course: Callable[[TrainSettings], TrainSettings]
) -> None:
    settings = course(settings)
    alone = train(settings, tmp_path / "alone")
    assert main([*words_of(settings, tmp_path / "shared"), *SHARDED]) == 0
    run = RunFolder(tmp_path / "shared")
    assert_alike(run, alone)
    assert len({row["lr"] for row in run.metrics if "lr" in row}) > 1  # rises or falls
    assert json.loads((run.path / "environment.json").read_text())["strategy"] == "fsdp2"
    saved, other = (torch.load(each.checkpoint, weights_only=True) for each in (run, alone))
    assert {name: value.shape for name, value in saved["model"].items()} == {
        name: value.shape for name, value in other["model"].items()
    }


@pytest.mark.slow
@pytest.mark.usefixtures("on_loopback")
def test_what_it_left_is_taken_up_by_one_process(
    settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert strike(settings, tmp_path / "run", "killed", monkeypatch, restarts=0, more=["--strategy", "fsdp2"]) == 1
    run = train(settings, tmp_path / "run", resume=True)
    assert_alike(run, train(settings, tmp_path / "alone"))


@pytest.mark.slow
@pytest.mark.usefixtures("on_loopback")
def test_after_a_process_was_killed_all_go_on_to_the_same_weights(
    settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert strike(settings, tmp_path / "run", "killed", monkeypatch, more=["--strategy", "fsdp2"]) == 0
    assert_alike(RunFolder(tmp_path / "run"), train(settings, tmp_path / "alone"))


@pytest.mark.usefixtures("on_loopback")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {
                "guidance": MapSupervisionSettings(uncertainty="learned"),
                "model": ModelSettings("mt_unet", in_channels=1, width=4),
            },
            "--strategy fsdp2 cannot share out log_sigma_classification, a single number; take --strategy ddp",
        ),
        ({"channels_last": True}, "--strategy fsdp2 cannot share out weights with channels_last=true"),
    ],
    ids=["a single number", "channels last"],
)
@pytest.mark.slow
def test_what_cannot_be_shared_out_is_refused_before_anything_is_written(
    settings: TrainSettings,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    change: dict[str, object],
    says: str,
) -> None:
    settings = replace(settings, **change)  # type: ignore[arg-type]
    assert main([*words_of(settings, tmp_path / "run"), *SHARDED]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert says in line
    assert not (tmp_path / "run").exists()


def test_single_numbers_and_other_layouts_are_refused() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

    check_shardable(nn.Linear(2, 3))
    with pytest.raises(SettingsError, match=r"cannot share out 1\.scale, a single number; take --strategy ddp"):
        check_shardable(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), Scaled()))
    with pytest.raises(SettingsError, match="channels_last=true; leave out one of them"):
        check_shardable(nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last))


def test_an_emptied_copy_has_all_but_the_values() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    model[2].bias.requires_grad_(False)
    model[1].running_mean.fill_(3)
    copy = emptied(model)
    assert all(weight.is_meta for weight in copy.parameters())
    assert copy[2].weight is copy[0].weight
    assert not copy[2].bias.requires_grad
    assert torch.equal(copy[1].running_mean, torch.full((4,), 3.0))
    copy.load_state_dict(dict(model.state_dict()), assign=True)
    x = torch.rand(5, 4)
    assert torch.equal(copy.eval()(x), model.eval()(x))
    assert not model[0].weight.is_meta


def test_what_is_not_shared_out_is_left_as_it_lies() -> None:
    model = nn.Linear(2, 3)
    with whole(model):
        state = whole_state(model)
    assert state["weight"].data_ptr() == model.weight.data_ptr()
    other = nn.Linear(2, 3)
    load_state(other, state)
    assert torch.equal(other.weight, model.weight)
