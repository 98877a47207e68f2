"""Twenty-four small images of three classes, and settings that train on them in seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightline.data import Augmentation, DataSettings, Preprocessing
from sightline.guidance import BackgroundRelevanceSettings
from sightline.models import ModelSettings
from sightline.training import OptimSettings, TrainSettings

CLASSES = ("bright", "dark", "striped")


def draw(generator: np.random.Generator, name: str) -> np.ndarray:
    """Noise, 32 by 32, whose middle tells the class."""
    pixels = generator.integers(64, 192, (32, 32))
    middle = {"bright": 230, "dark": 20, "striped": 255 * (np.arange(16) // 4 % 2)}[name]
    pixels[8:24, 8:24] = 0.5 * pixels[8:24, 8:24] + 0.5 * middle
    return pixels.astype(np.uint8)


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen images to train on, six to validate, three to test; the region is the middle, unknown for one in five."""
    folder = tmp_path_factory.mktemp("cohort")
    generator = np.random.default_rng(0)
    mask = np.zeros((32, 32), np.uint8)
    mask[6:26, 6:26] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    rows = ["image,label,split,mask"]
    for name in CLASSES:
        for number, split in enumerate(["train"] * 5 + ["val"] * 2 + ["test"]):
            Image.fromarray(draw(generator, name)).save(folder / f"{name}{number}.png")
            rows.append(f"{name}{number}.png,{name},{split},{'' if number == 1 else 'mask.png'}")
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def make_settings(cohort: Path) -> Callable[..., TrainSettings]:
    """Make settings: a narrow ResNet, two epochs of three steps, everything on that draws at random."""

    def make(*, guided: bool = True, optim: dict[str, Any] | None = None, **changes: Any) -> TrainSettings:
        preprocessing = Preprocessing(size=32, channels=1)
        standard: dict[str, Any] = {
            "data": DataSettings(cohort, preprocessing, Augmentation(), batch_size=4),
            "model": ModelSettings("resnet18", in_channels=1, width=4, dropout=0.2),
            "optim": OptimSettings(**(optim or {})),
            "guidance": BackgroundRelevanceSettings() if guided else None,
            "epochs": 2,
            "device": "cpu",
        }
        return TrainSettings(**standard | changes)

    return make
