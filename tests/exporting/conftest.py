"""A run that was trained, so to speak: four little images, a network of eleven layers, its weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.cli.settings import read_settings, to_yaml
from sightline.data import Case, Cohort, write_cohort
from sightline.exporting import classifier_of
from sightline.models import Classifier, ModelSettings, build_model, save_weights
from sightline.runs import RunFolder, write_text
from sightline.training import TrainSettings

CLASSES = ("clear", "opaque", "other")


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    cases = []
    for index in range(4):
        pixels = np.random.default_rng(index).integers(0, 256, (40, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
        split = "train" if index < 2 else "test"
        cases.append(Case(f"{index}", folder / f"{index}.png", index % 3, f"p{index}", split=split))
    write_cohort(Cohort(folder, "multiclass", CLASSES, tuple(cases), (0.0, 255.0)), folder)
    return folder


@pytest.fixture(scope="session")
def run(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "little"
    words = [f"data.cohort={cohort}", "name=little", "model.name=vgg11", "model.width=4", "device=cpu"]
    settings = read_settings(TrainSettings, ["plain"], [*words, "data.preprocessing.size=32"])
    run = RunFolder.create(folder)
    write_text(folder / "config.yaml", to_yaml(settings))
    save_weights(build_model(settings.model, num_classes=3, seed=0), run.weights)
    return folder


@pytest.fixture(scope="session")
def little(cohort: Path) -> Classifier:
    """A residual network with batch normalisation and overlapping max pooling, of one stage of each kind."""
    settings = read_settings(
        TrainSettings, ["plain"], [f"data.cohort={cohort}", "model.width=4", "data.preprocessing.size=32"]
    )
    settings = TrainSettings(settings.data, name="little", model=ModelSettings("resnet18", width=4))
    model = build_model(settings.model, num_classes=3, seed=0)
    with torch.no_grad():
        model.train()(torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    return classifier_of(settings, model, Cohort(cohort, "multiclass", CLASSES, ()))
