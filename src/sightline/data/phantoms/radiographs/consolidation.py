"""Consolidation: air spaces filled in ragged patches, or up to a fissure, with the airways left dark in them."""

import numpy as np
from scipy import ndimage

from sightline.data.phantoms.anatomy import LEFT, RIGHT, of_side
from sightline.data.phantoms.radiographs.canvas import Canvas, Change, Place
from sightline.data.phantoms.radiographs.plane import Single

_FAINTEST = 0.09  # shares below this are cut, so that the mask is what one sees
_CELLS, _EXTENT = 52, 0.66  # of the noise that makes the edges ragged
_REACH = 2.5  # where a patch ends at the latest, in its half widths
_FISSURE = 0.475  # level of the horizontal fissure, which the right lung alone has
_BRONCHOGRAM = 0.35  # how much of the vessels' shadow turns into that of the airway beside them


def draw_consolidation(canvas: Canvas, rng: np.random.Generator, severity: float) -> Change:
    """Draw consolidations.

    Args:
        canvas: the chest.
        rng: generator that is advanced.
        severity: from 0, one small patch, to 1, up to three large ones.
    """
    clear = np.ones_like(canvas.air)
    places = []
    first = RIGHT if rng.random() < 0.55 else LEFT
    for index in range(1 + int(rng.random() < 0.2 + 0.6 * severity) + int(rng.random() < 0.5 * severity)):
        side = first if index == 0 or rng.random() < 0.6 else -first
        lobar = side == RIGHT and rng.random() < 0.35
        u, v = _point_in_lung(canvas, rng, side)
        if lobar:
            v = _FISSURE + float(rng.choice([-1, 1]) * rng.uniform(0.03, 0.06))
        _fill(canvas, rng, (u, v), severity, clear, fissure=lobar)
        places.append(Place(side, canvas.zone(v)))
    inside = canvas.fields[RIGHT] | canvas.fields[LEFT]
    filled = 1 - clear
    filled *= inside & (clear < 1 - _FAINTEST)
    return Change(tuple(places), filled=filled, added=-_BRONCHOGRAM * canvas.vessels * filled)


def _point_in_lung(canvas: Canvas, rng: np.random.Generator, side: int) -> tuple[float, float]:
    """A place well inside one lung, the lower zones a little more often."""
    width = of_side(canvas.anatomy.width, side)
    for _ in range(50):
        u, v = side * rng.uniform(0.3, 0.85) * width, rng.triangular(0.24, 0.58, 0.74)
        column, row = np.rint(canvas.plane.pixels(np.array([u, v]))).astype(int).clip(0, canvas.plane.side - 1)
        if canvas.fields[side][row, column]:
            break
    return float(u), float(v)


def _fill(
    canvas: Canvas,
    rng: np.random.Generator,
    middle: tuple[float, float],
    severity: float,
    clear: Single,
    *,
    fissure: bool,
) -> None:
    """Fill a patch by lowering `clear`, the share of the air that is left."""
    plane = canvas.plane
    wide, high = (float(x) for x in rng.uniform(0.05, 0.075, 2) * (0.85 + 0.75 * severity))
    turn, peak = float(rng.uniform(0, np.pi)), float(rng.uniform(0.5, 0.6) + 0.3 * severity)
    reach = min(_REACH * max(wide, high), 0.27)
    rows, columns = (
        span(x - reach, x + reach) for span, x in zip((plane.rows, plane.columns), middle[::-1], strict=True)
    )
    x, y = plane.u[:, columns] - middle[0], plane.v[rows] - middle[1]
    cos, sin = np.cos(turn), np.sin(turn)
    across = (x * float(cos / wide) + y * float(sin / wide)) ** 2 + (y * float(cos / high) - x * float(sin / high)) ** 2
    ragged = across - plane.spread(_cloud(rng), middle, _EXTENT, rows, columns)
    filled = peak / (1 + np.exp(np.clip(2.6 * (ragged - 0.8), -40, 40)))
    filled *= np.clip(3 * (2.7 - ragged), 0, 1)
    if fissure:  # the lobe ends there
        bend = plane.v[rows] - _FISSURE - 0.02 * (np.abs(plane.u[:, columns]) / 0.3 - 0.5)
        beyond = bend if middle[1] < _FISSURE else -bend
        filled *= np.clip(0.5 - beyond / max(0.004, plane.pitch), 0, 1)
    filled *= canvas.plane.u[:, columns] * np.sign(middle[0]) > 0
    clear[rows, columns] *= 1 - filled


def _cloud(rng: np.random.Generator) -> Single:
    """Smooth noise of about unit deviation, not below 0 in its middle, so that something is left of every patch.

    It is drawn on a grid, so that it does not depend on the resolution.
    """
    coarse, fine = rng.standard_normal((2, _CELLS, _CELLS), np.float32)
    coarse, fine = ndimage.gaussian_filter(coarse, 2.8, truncate=3), ndimage.gaussian_filter(fine, 1.1, truncate=3)
    field: Single = 0.75 / coarse.std() * coarse + 0.5 / fine.std() * fine
    middle = slice(_CELLS // 2 - 1, _CELLS // 2 + 1)
    field -= min(float(field[middle, middle].mean()), 0.0)
    return field
