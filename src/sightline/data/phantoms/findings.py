"""What is ill: opacities that take the place of air, with the exact pixels they touch."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from scipy import ndimage

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Anatomy, Bools, Floats, chest_wall, diaphragm, lung, of_side

Finding = Literal["normal", "pneumonia", "effusion"]
FINDINGS: tuple[Finding, ...] = get_args(Finding)

_FAINTEST = 0.04  # opacity below this is cut, so that the mask is what one sees


def draw_finding(
    finding: Finding, anatomy: Anatomy, rng: np.random.Generator, u: Floats, v: Floats, lungs: Bools
) -> Floats:
    """Draw a finding in a patient.

    Args:
        finding: one of `FINDINGS`.
        anatomy: the patient.
        rng: generator that is advanced.
        u: patient coordinates of the pixels, `(side, side)`.
        v: as `u`.
        lungs: the lung fields, `(side, side)`.

    Returns:
        Share of the air that the finding replaces, `(side, side)` in [0, 1], 0 outside the lungs. The lesion is where
        it is above 0.
    """
    opacity = _DRAW[finding](anatomy, rng, u, v)
    cut: Floats = np.where(lungs & (opacity > _FAINTEST), opacity, 0.0)
    return cut


def _normal(anatomy: Anatomy, rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    return np.zeros_like(u)


def _point_in_lung(anatomy: Anatomy, rng: np.random.Generator, side: int) -> tuple[float, float]:
    """A place in one lung, the lower zones a little more often."""
    for _ in range(200):
        place = side * rng.uniform(0.08, 0.33), rng.triangular(0.2, 0.62, 0.8)
        if lung(anatomy, side, *(np.array([x]) for x in place))[0]:
            return place
    return side * 0.5 * of_side(anatomy.width, side), 0.5


def _pneumonia(anatomy: Anatomy, rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """One to three patchy consolidations with ragged edges."""
    first = RIGHT if rng.random() < 0.55 else LEFT
    clear = np.ones_like(u)
    for index in range(rng.integers(1, 4)):
        side = first if index == 0 or rng.random() < 0.6 else -first
        x, y = _point_in_lung(anatomy, rng, side)
        wide, high, turn = rng.uniform(0.06, 0.12), rng.uniform(0.06, 0.12), rng.uniform(0, np.pi)
        along = ((u - x) * np.cos(turn) + (v - y) * np.sin(turn)) / wide
        across = ((v - y) * np.cos(turn) - (u - x) * np.sin(turn)) / high
        ragged = along**2 + across**2 - 1.0 * _cloud(rng, u - x, v - y)
        patch = 1 / (1 + np.exp(np.clip(2.0 * (ragged - 0.7), -40, 40)))
        clear *= 1 - rng.uniform(0.45, 0.75) * patch * (ragged < 2.4)
    return 1 - clear


def _cloud(rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """Smooth noise of unit deviation around (0, 0), drawn on a grid so that it does not depend on the resolution."""
    cells, extent = 40, 0.5
    grid = rng.normal(size=(2, cells, cells))
    field = 0.75 * _unit(ndimage.gaussian_filter(grid[0], 2.8)) + 0.45 * _unit(ndimage.gaussian_filter(grid[1], 1.2))
    rows, columns = ((w / extent + 0.5) * (cells - 1) for w in (v, u))
    noise: Floats = ndimage.map_coordinates(field, [rows, columns], order=1, mode="nearest")
    return noise


def _unit(field: Floats) -> Floats:
    scaled: Floats = field / field.std()
    return scaled


def _effusion(anatomy: Anatomy, rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """Fluid that fills one costophrenic angle or both, its surface a meniscus that climbs the chest wall."""
    sides = (RIGHT, LEFT) if rng.random() < 0.25 else ((RIGHT,) if rng.random() < 0.5 else (LEFT,))
    opacity = np.zeros_like(u)
    for side in sides:
        lateral = side * u
        wall = chest_wall(anatomy, side, v)
        floor = float(diaphragm(anatomy, side, np.array(of_side(anatomy.width, side))))
        depth = rng.uniform(0.12, 0.28)
        climb = rng.uniform(0.04, 0.09)
        surface = floor - depth - climb * np.exp(-np.clip(wall - lateral, 0, None) / 0.06)
        soft = rng.uniform(0.03, 0.07)
        fluid = np.clip((v - surface) / soft, 0, 1)
        fluid = fluid**2 * (3 - 2 * fluid) * rng.uniform(0.7, 0.95)
        opacity = np.where(lateral > 0, np.maximum(opacity, fluid), opacity)
    return opacity


_DRAW: dict[Finding, Callable[[Anatomy, np.random.Generator, Floats, Floats], Floats]] = {
    "normal": _normal,
    "pneumonia": _pneumonia,
    "effusion": _effusion,
}
