"""Training in float16: the same steps, and a scale that finds its own size."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sightline.training import TrainSettings, loop, train
from sightline.training.precision import make_scaler

Make = Callable[..., TrainSettings]


def begin_with(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a training in float16 begin with a scale of its loss."""

    def make(device: str, precision: str) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(device, init_scale=scale, enabled=precision == "float16")

    monkeypatch.setattr(loop, "make_scaler", make)


def test_the_scale_is_for_float16_alone() -> None:
    assert make_scaler("cpu", "float16").is_enabled()
    assert not make_scaler("cpu", "bfloat16").is_enabled()
    assert not make_scaler("cpu", "float32").is_enabled()


@pytest.mark.parametrize(("guided", "told"), [(False, ["loss", "gradient_norm"]), (True, ["loss"])])
def test_float16_trains_as_float32_does(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guided: bool, told: list[str]
) -> None:
    begin_with(4.0, monkeypatch)
    half = train(make_settings(precision="float16", epochs=1, guided=guided), tmp_path / "half")
    full = train(make_settings(epochs=1, guided=guided), tmp_path / "full")
    assert half.metrics[0]["loss_scale"] == 4
    assert "loss_scale" not in full.metrics[0]
    assert all(value.dtype in (torch.float32, torch.int64) for value in load_file(half.weights).values())
    for name in told:
        one, other = (run.metrics[0][name] for run in (half, full))
        assert one == pytest.approx(other, rel=0.05)
        assert one != other


def test_a_scale_that_is_too_large_is_halved_and_fails_no_run(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_with(2.0**11, monkeypatch)
    settings = make_settings(precision="float16", epochs=3, leave_out=0)
    run = train(settings, tmp_path / "run")
    steps = [line for line in run.metrics if "loss_scale" in line]
    scales, left_out = [line["loss_scale"] for line in steps], ["left_out" in line for line in steps]
    assert left_out[0]
    assert not left_out[-1]
    for before, after, over in zip(scales, scales[1:], left_out, strict=False):
        assert after == (before / 2 if over else before)
    assert all(math.isfinite(line["loss"]) for line in steps)
    asked = iter(range(99))
    interrupted = train(settings, tmp_path / "again", stop=lambda: next(asked) == 1)
    assert interrupted.status["state"] == "interrupted"
    resumed = train(settings, interrupted.path, resume=True)
    assert [line["loss_scale"] for line in resumed.metrics if "loss_scale" in line] == scales
