from dataclasses import replace
from pathlib import Path

import pytest

from sightline.data import DataSettings, Preprocessing
from sightline.data.phantoms import make_phantom_cohort
from sightline.guidance import BackgroundRelevanceSettings
from sightline.models import ModelSettings
from sightline.training import TrainSettings


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    """A training of seconds on a few phantoms."""
    cohort: Path = tmp_path_factory.mktemp("comparing") / "cohort"
    make_phantom_cohort(cohort, size=32, counts={"train": 9, "val": 3, "test": 6, "ood": 3})
    return TrainSettings(
        DataSettings(cohort, Preprocessing(size=32, channels=1), batch_size=8),
        name="plain",
        model=ModelSettings("resnet18", in_channels=1, width=4),
        epochs=1,
    )


@pytest.fixture(scope="session")
def isnet(plain: TrainSettings) -> TrainSettings:
    """The same, guided."""
    return replace(plain, name="isnet", guidance=BackgroundRelevanceSettings())
