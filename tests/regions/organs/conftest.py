from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

REAL = Path(__file__).parents[4] / "shared" / "data"  # real images, where a checkout lies beside them


@pytest.fixture
def real() -> Path:
    """Folder of the real images."""
    if not REAL.is_dir():
        pytest.skip("no real images beside this checkout")
    return REAL


@pytest.fixture
def chest() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Draw a chest of ellipsoids at a spacing: its HU, and 1 in the right and 3 in the left lung."""
    return draw_chest


@pytest.fixture
def dice() -> Callable[[np.ndarray, np.ndarray], float]:
    """Dice's coefficient of two masks."""
    return lambda a, b: float(2 * (a & b).sum() / (a.sum() + b.sum()))


def draw_chest(spacing: tuple[float, float, float], *, shift: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """A body 320 mm wide in a field of 360 mm, 264 mm of it, lungs of 2.0 l each, a trachea, gas below, a table."""
    half = (132.0, 140.0, 180.0)
    z, y, x = (
        (np.arange(round(2 * reach / step)) + 0.5) * step - reach for reach, step in zip(half, spacing, strict=True)
    )
    z, y, x = z[:, None, None], y[:, None], x - shift
    hu = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), -1000.0)
    hu[np.broadcast_to((y / 110) ** 2 + (x / 160) ** 2 < 1, hu.shape)] = 40
    table = (np.abs(y - 125) < 12) & (np.abs(x) < 150)
    hu[np.broadcast_to(table, hu.shape)] = -100
    hu[np.broadcast_to(table & (np.abs(y - 125) < 8) & (np.abs(x) < 146), hu.shape)] = -930  # foam in its shell
    lungs = np.zeros(hu.shape, np.uint8)
    for code, side in ((1, -1), (3, 1)):
        lungs[(z / 110) ** 2 + (y / 80) ** 2 + ((x - side * 75) / 55) ** 2 < 1] = code
    hu[lungs > 0] = -850
    hu[(np.hypot(y - 10, x) < 9) & (z < 0)] = -1000  # the trachea, a wall away from both lungs
    hu[(z - 122) ** 2 + (y + 72) ** 2 + (x - 30) ** 2 < 25**2] = -990  # gas in the stomach, beside the lung's base
    return hu.astype(np.float32), lungs
