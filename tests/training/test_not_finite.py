import logging
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.errors import RunError, SettingsError
from sightline.guidance import Unguided
from sightline.runs import RunFolder
from sightline.training import TrainSettings, train
from sightline.training.not_finite import NOT_AGAIN, where_not_finite
from sightline.types import Batch, Guided

Make = Callable[..., TrainSettings]
State = dict[str, Tensor]


class Troubled(Unguided):
    """Multiplies the loss of some training steps by NaN, and notes the weights and buffers that it finds."""

    def __init__(self, at: tuple[int, ...]) -> None:
        super().__init__()
        self.at, self.number = at, 0
        self.seen: list[State] = []

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        if not model.training:
            return super().forward(model, images, labels, regions)
        self.seen.append({name: value.clone() for name, value in model.state_dict().items()})
        self.number += 1
        guided = super().forward(model, images, labels, regions)
        return replace(guided, loss=guided.loss * torch.nan) if self.number in self.at else guided


@pytest.fixture
def troubled(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Troubled]:
    def make(*at: int) -> Troubled:
        guidance = Troubled(at)
        monkeypatch.setattr("sightline.training.loop.make_guidance", lambda settings: guidance)
        return guidance

    return make


def same(one: State, other: State) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_step_whose_loss_is_not_finite_is_left_out_and_told(
    make_settings: Make, troubled: Callable[..., Troubled], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    guidance = troubled(2, 3)  # the second time is the diagnosis of the second step
    with caplog.at_level(logging.WARNING):
        run = train(make_settings(epochs=1), tmp_path / "run")
    first, second, repeated, third = guidance.seen
    assert not same(first, second)
    assert same(second, repeated)
    assert same(second, third), "weights and running statistics are those of before the step"
    told = next(record.getMessage() for record in caplog.records if "left out" in record.getMessage())
    assert re.fullmatch(
        r"step 2 is left out, for its loss or gradient is not finite \(loss nan, gradient norm nan\): "
        r"the loss is not finite, the answers of the model are",
        told,
    )
    steps = [line for line in run.metrics if "loss" in line]
    assert [line["loss"] is None for line in steps] == [False, True, False]
    assert [line.get("left_out") for line in steps] == [None, 1.0, None]
    assert run.status["state"] == "done"


@pytest.mark.parametrize("guided", [False, True])
def test_a_loss_that_stays_not_finite_fails_the_run(make_settings: Make, tmp_path: Path, guided: bool) -> None:
    optim = {"lr": 1e30, "warmup": 0.0, "clip_norm": None, "averaging": 0.0}
    with pytest.raises(
        RunError, match=r"no longer finite at step \d .*: layer \S+ \(\w+\) of the model.*; lower optim.lr$"
    ) as raised:
        train(make_settings(optim=optim, guided=guided), tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    assert run.status["state"] == "failed"
    assert run.status["reason"] == str(raised.value)
    assert not run.weights.exists()


def test_no_more_steps_in_a_row_are_left_out_than_asked_for(
    make_settings: Make, troubled: Callable[..., Troubled], tmp_path: Path
) -> None:
    guidance = troubled(1)
    with pytest.raises(RunError, match=rf"at step 1 \(loss nan, gradient norm nan\): {NOT_AGAIN}; lower optim.lr$"):
        train(make_settings(leave_out=0), tmp_path / "none")
    guidance.number, guidance.at = 0, (1, 2, 4, 5)  # steps 1 and 3, and their diagnosis
    assert train(make_settings(leave_out=1), tmp_path / "one").status["state"] == "done"
    guidance.number, guidance.at = 0, (1, 2, 3, 4)  # steps 1 and 2
    with pytest.raises(RunError, match="at step 2 "):
        train(make_settings(leave_out=1), tmp_path / "two")
    with pytest.raises(SettingsError, match="leave_out must be at least 0, got -1"):
        make_settings(leave_out=-1)


def test_steps_left_out_are_counted_across_a_stop(
    make_settings: Make, troubled: Callable[..., Troubled], tmp_path: Path
) -> None:
    guidance, told = troubled(1, 2, 3, 4), list[int]()
    settings = make_settings(leave_out=1)
    stopped = train(settings, tmp_path / "run", advance=lambda done, *_: told.append(done), stop=lambda: told == [1])
    assert stopped.status["state"] == "interrupted"
    assert guidance.number == 2
    with pytest.raises(RunError, match="at step 2 "):
        train(settings, tmp_path / "run", resume=True)


class Root(Unguided):
    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        logits = model(images)
        return Guided(logits, (0 * logits).abs().sum().sqrt())  # 0, with the slope of a root


class Part(Unguided):
    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        guided = super().forward(model, images, labels, regions)
        nan = torch.tensor(torch.nan)
        return replace(guided, loss=guided.loss + nan, parts={**guided.parts, "background": nan})


class Log(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.log()


def network(*last: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), *last
    return nn.Sequential(*layers, nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).train()


class Taken(nn.Module):
    """Its last function is no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()

    def forward(self, x: Tensor) -> Tensor:
        return (self.inner(x) * 0).log() * 0


@pytest.mark.parametrize(
    ("model", "guidance", "pixel", "told"),
    [
        (network(), Unguided(), torch.inf, "the image of b is not finite"),
        (network(nn.Identity(), Log()), Unguided(), 0.5, "layer 4 (Log) of the model gives values that are not finite"),
        (Taken(), Unguided(), 0.5, "the answers of the model are not finite, what its layers give is"),
        (network(), Part(), 0.5, "background is not finite, the answers of the model are"),
        (network(), Root(), 0.5, "the gradient of 6.bias, 6.weight, 1.bias and 3 more is not finite, the loss is"),
        (network(), Unguided(), 0.5, NOT_AGAIN),
    ],
)
def test_where_it_arises_is_found_and_nothing_is_changed(
    model: nn.Module, guidance: Unguided, pixel: float, told: str
) -> None:
    images = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    images[1, 0, 3, 3] = pixel
    batch = Batch(images, torch.tensor([0, 2]), torch.ones(2, 1, 8, 8), ("a", "b"))
    before, random = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    assert where_not_finite(model, guidance, batch, "float32") == told
    assert same(before, model.state_dict())
    assert torch.equal(random, torch.get_rng_state())
    hooks: Any = [layer._forward_hooks for layer in model.modules()]
    assert not any(hooks)
    assert all(weight.grad is None for weight in model.parameters())
