from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.data import DataSettings, Preprocessing, VolumeInput
from sightline.data.phantoms import make_phantom_cohort
from sightline.models import ModelSettings, build_model, save_weights
from sightline.plain import to_plain
from sightline.runs import RunFolder, write_text
from sightline.training import TrainSettings
from sightline.yaml12 import dump

COHORTS = {
    "multilabel": "classes: [nodule, effusion, mass]\ntask: multilabel\nvalue_range: [0, 255]\n",
    "binary": "classes: [normal, nodule]\ntask: binary\nvalue_range: [0, 255]\n",
}
ROWS = {"multilabel": "image,nodule,effusion,mass\na.png,1,0,1\n", "binary": "image,label\na.png,nodule\n"}


def write_run(folder: Path, settings: TrainSettings, num_classes: int) -> Path:
    """A run that ended with the weights that a model is born with."""
    run = RunFolder.create(folder)
    write_text(run.path / "config.yaml", dump(to_plain(settings)))
    save_weights(build_model(settings.model, num_classes=num_classes, seed=3), run.weights)
    return folder


def write_cohort(folder: Path, task: str) -> Path:
    folder.mkdir()
    (folder / "cohort.yaml").write_text(COHORTS[task])
    (folder / "cohort.csv").write_text(ROWS[task])
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "a.png")
    return folder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on images of three classes."""
    folder = tmp_path_factory.mktemp("images")
    make_phantom_cohort(folder / "cohort", size=32, counts={"train": 9, "test": 3})
    settings = TrainSettings(
        DataSettings(folder / "cohort", Preprocessing(size=32, channels=1), batch_size=2),
        name="plain",
        model=ModelSettings("resnet18", in_channels=1, width=4),
    )
    return write_run(folder / "run", settings, 3)


@pytest.fixture(scope="session")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on images that may have any number of findings."""
    folder = tmp_path_factory.mktemp("several")
    settings = TrainSettings(
        DataSettings(write_cohort(folder / "cohort", "multilabel"), Preprocessing(size=32, channels=3)),
        name="several",
        model=ModelSettings("resnet18", in_channels=3, width=4),
    )
    return write_run(folder / "run", settings, 3)


@pytest.fixture(scope="session")
def cubes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on volumes that come at their size."""
    folder = tmp_path_factory.mktemp("cubes")
    settings = TrainSettings(
        DataSettings(write_cohort(folder / "cohort", "binary"), Preprocessing(size=32, channels=1, equalise=False)),
        name="cubes",
        model=ModelSettings("resnet18", in_channels=1, width=4, options={"dimensions": 3}),
    )
    return write_run(folder / "run", settings, 2)


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on scans that are brought to a shape."""
    folder = tmp_path_factory.mktemp("scans")
    volume = VolumeInput(shape=(16, 24, 24), window=(-1000, 800), augmentation=None)
    settings = TrainSettings(
        DataSettings(write_cohort(folder / "cohort", "multilabel"), volume=volume, cache_dir=folder / "cache"),
        name="scans",
        model=ModelSettings("resnet18", in_channels=1, width=4, options={"dimensions": 3}),
    )
    return write_run(folder / "run", settings, 3)
