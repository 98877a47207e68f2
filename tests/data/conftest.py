from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def save() -> Callable[[Path, np.ndarray], Path]:
    """Save pixels as the suffix of the path says."""

    def save_pixels(path: Path, pixels: np.ndarray) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, pixels)
        else:
            Image.fromarray(pixels).save(path)
        return path

    return save_pixels


@pytest.fixture
def folder(tmp_path: Path, save: Callable[[Path, np.ndarray], Path]) -> Path:
    """Two classes of three noise images, 20 wide and 16 high, the middle of each its region."""
    generator = np.random.default_rng(0)
    root = tmp_path / "films"
    mask = np.zeros((16, 20), np.uint8)
    mask[4:12, 5:15] = 255
    for name in ("ill", "well"):
        for number in range(3):
            save(root / name / f"{number}.png", generator.integers(0, 256, (16, 20), dtype=np.uint8))
            save(root / "masks" / name / f"{number}.png", mask)
    return root
