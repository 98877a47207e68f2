"""The classifiers that the ISNet was compared with, trained for a few steps."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sightline.cli.settings import read_settings
from sightline.guidance import AttentionMiningSettings, DeepSupervisionSettings, HierarchicalAttentionSettings
from sightline.models import ModelSettings, build_model
from sightline.training import TrainSettings, train

Make = Callable[..., TrainSettings]

SONONET = {"name": "ag_sononet", "in_channels": 1, "width": 4}
TRAININGS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "gain": ({"guidance": AttentionMiningSettings()}, {"mining", "supervision"}),
    "gain-extended": (
        {"guidance": AttentionMiningSettings(supervision_weight=10.0, scale=False)},
        {"mining", "supervision"},
    ),
    "ham": (
        {
            "model": ModelSettings("ham_resnet50", in_channels=1, width=4, dropout=0.1, options={"normal_class": 1}),
            "guidance": HierarchicalAttentionSettings(),
        },
        {"anomaly", "supervision", "bound", "union"},
    ),
    "ag-sononet": ({"model": ModelSettings(**SONONET), "guidance": None}, set()),
    "ag-sononet, deep supervision": (
        {
            "model": ModelSettings(**SONONET, options={"aggregation": "deep_sup"}),
            "guidance": DeepSupervisionSettings(),
        },
        {f"prediction_{number}" for number in (1, 2, 3, 4)},
    ),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_a_few_steps_move_every_weight_and_log_every_part(make_settings: Make, tmp_path: Path, name: str) -> None:
    changes, parts = TRAININGS[name]
    settings = make_settings(epochs=1, select="last", optim={"averaging": 0.0}, **changes)
    run = train(settings, tmp_path / "run")
    steps = [line for line in run.metrics if "loss" in line]
    assert all(math.isfinite(line["loss"]) for line in steps)
    assert parts | {"classification"} <= set(steps[0])
    assert {f"val_{part}" for part in parts} <= set(run.metrics[-1])
    after = load_file(run.weights)
    before = build_model(settings.model, num_classes=3, seed=settings.seed).state_dict()
    still = [key for key, value in before.items() if value.is_floating_point() and torch.equal(value, after[key])]
    # a bias that the gate's normalisation takes off again
    assert [key for key in still if not key.endswith("psi.bias")] == []
    assert read_settings(TrainSettings, [str(run.path / "config.yaml")]) == settings


@pytest.mark.parametrize("recipe", ["gain", "gain-extended", "ham", "ag-sononet"])
def test_the_recipe_says_what_is_trained(recipe: str) -> None:
    settings = read_settings(TrainSettings, [recipe], ["data.cohort=x"])
    assert settings.name == recipe
    trained = TRAININGS[recipe][0]
    assert type(settings.guidance) is type(trained["guidance"])
    assert settings.model.name == getattr(trained.get("model"), "name", "densenet121")
