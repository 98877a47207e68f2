"""Films of two dark lungs on a bright body, small enough to learn in seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightline.data import Augmentation
from sightline.segmenting import NetworkSettings, SegmenterSettings
from sightline.training import OptimSettings


def film(generator: np.random.Generator, height: int = 32, width: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Image and mask, `(H, W)` uint8."""
    down, across = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    centre, reach = generator.uniform(0.45, 0.55), generator.uniform(0.26, 0.34)
    mask = np.zeros((height, width), bool)
    for side in (0.28, 0.72):
        mask |= ((across - side) / 0.16) ** 2 + ((down - centre) / reach) ** 2 <= 1
    pixels = np.where(mask, 60, 190) + generator.integers(-30, 30, (height, width))
    return pixels.astype(np.uint8), mask.astype(np.uint8) * 255


def write(folder: Path, splits: dict[str, int], *, sizes: tuple[tuple[int, int], ...] = ((32, 32),)) -> Path:
    """Write films with their masks and the table of a cohort."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["image,label,split,mask"]
    names = [f"{split}{number}" for split, count in splits.items() for number in range(count)]
    for index, name in enumerate(names):
        pixels, mask = film(generator, *sizes[index % len(sizes)])
        Image.fromarray(pixels).save(folder / f"{name}.png")
        Image.fromarray(mask).save(folder / f"{name}_mask.png")
        rows.append(f"{name}.png,{'ab'[index % 2]},{name.rstrip('0123456789')},{name}_mask.png")
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def write_films() -> Callable[..., Path]:
    """Write films with their masks and the table of a cohort: `write_films(folder, {split: count}, sizes=)`."""
    return write


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight films to train on, four to validate."""
    return write(tmp_path_factory.mktemp("films"), {"train": 8, "val": 4})


@pytest.fixture
def make_settings(films: Path) -> Callable[..., SegmenterSettings]:
    """Make settings that train in a second."""

    def make(**changes: Any) -> SegmenterSettings:
        standard: dict[str, Any] = {
            "cohort": films,
            "size": 32,
            "augmentation": Augmentation(translate=0.05, rotate_degrees=5.0, flip=0.5),
            "network": NetworkSettings(width=4, depth=2),
            "optim": OptimSettings(lr=2e-2, averaging=0.9),
            "epochs": 3,
            "batch_size": 4,
            "device": "cpu",
        }
        return SegmenterSettings(**standard | changes)

    return make
