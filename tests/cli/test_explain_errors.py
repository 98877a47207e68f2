"""What `sightline explain` cannot do is one line and exit code 2, for the same mistakes as in the library."""

from dataclasses import replace
from pathlib import Path

import pytest

from sightline.cli.main import main
from sightline.cli.opening import open_run
from sightline.data import read_cohort
from sightline.models import ModelSettings, build_model, save_weights

MODELS = """
import torch
from torch import nn


class Erf(nn.Module):
    def forward(self, x):
        return torch.erf(x)


class Casts(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net.half()

    def forward(self, images):
        return self.net(images.half())


def _net(num_classes, in_channels=1, between=None):
    first = nn.Conv2d(in_channels, 4, 3, stride=2)
    return nn.Sequential(first, between or nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))


def unknown(num_classes, in_channels):
    return _net(num_classes, between=Erf())


def half(num_classes, in_channels):
    return _net(num_classes).half()


def casts(num_classes, in_channels):
    return Casts(_net(num_classes))


def flat(num_classes, in_channels):
    return nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, num_classes))


def colour(num_classes, in_channels):
    return _net(num_classes, 3)


def plain(num_classes, in_channels):
    return _net(num_classes)
"""


@pytest.fixture
def make_run(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for runs of models that are not ours."""
    (tmp_path / "models_of_others.py").write_text(MODELS)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def run_of(name: str, folder: Path, demo: Path) -> Path:
    """A run with the settings and data of the demo, and another model, untrained."""
    settings, _ = open_run(demo / "plain")
    text = (demo / "plain" / "config.yaml").read_text()
    assert text.count(f"name: {settings.model.name}\n") == 1
    text = text.replace(f"name: {settings.model.name}\n", f"name: models_of_others:{name}\n").replace(
        "width: 4", "width: null"
    )
    (folder / "config.yaml").write_text(text)
    settings, run = open_run(folder)
    assert settings.model == ModelSettings(f"models_of_others:{name}", in_channels=1)
    classes = read_cohort(settings.data.cohort).num_classes
    save_weights(build_model(replace(settings.model, weights=None), num_classes=classes, seed=0), run.weights)
    return folder


LRP_REFUSAL = "LRP has no rule for 'erf', called at models_of_others.py:"


@pytest.mark.parametrize(
    ("model", "words", "messages"),
    [
        ("unknown", ["--method", "lrp"], [LRP_REFUSAL, "unknown='gradient'"]),
        ("unknown", ["--method", "saliency", "epsilon_plus"], [LRP_REFUSAL]),
        ("half", [], ["one dtype", "layer '0' (Conv2d) has torch.float16", "got torch.float32", "model.float()"]),
        ("casts", [], ["logits must be float32, float64 or bfloat16 on the CPU, got torch.float16", "model.float()"]),
        ("plain", ["--target", "9"], ["--target 9: no such class", "an index from 0 to 2"]),
        ("plain", ["--target", "pneumothorax"], ["--target pneumothorax: no such class", "It may be predicted"]),
        ("plain", ["--method", "grad_cam", "--layer", "7"], ["layer '7' is not in the model; it has 0, 1, 2"]),
        ("plain", ["--set", "lrp.layers=[features]"], ["layer 'features' is not in the model; it has 0, 1, 2"]),
        ("flat", ["--method", "grad_cam"], ["no feature map (N, C, *S)", "name its layer", "Saliency"]),
        ("colour", ["--method", "saliency"], ["must have 3 channels for layer '0'", "got (1, 1, 32, 32)", "repeat"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    demo: Path, make_run: Path, model: str, words: list[str], messages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(model, make_run, demo)
    capsys.readouterr()
    assert main(["explain", "-q", str(run), "--number", "2", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    assert len(told.err) < 400
    for message in messages:
        assert message in told.err
