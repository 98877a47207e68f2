"""Findings: what they are and what they do to a scan; drawn here are those of the lungs, each with its exact mask."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import ndimage

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Bools
from sightline.data.phantoms.ct.grid import Canvas, Point, Single
from sightline.data.phantoms.ct.thorax import Thorax, chest_wall, lobe, points_in_lung

CTFinding = Literal[
    "consolidation", "ground_glass", "effusion", "nodule", "coronary_calcification", "hiatal_hernia"
]  # the first four lie in the lungs, the others between them
CT_FINDINGS: tuple[CTFinding, ...] = get_args(CTFinding)
_FAINTEST = 0.08  # shares of a voxel below this are cut, so that the mask is what one sees
_HU = {"consolidation": 28.0, "ground_glass": -540.0, "effusion": 9.0, "nodule": 36.0}
_CELLS, _CELL_MM = 26, 5.0  # of the noise that makes edges ragged


@dataclass(frozen=True)
class Place:
    """Where one piece of a finding lies.

    Attributes:
        side: `RIGHT` or `LEFT`, 0 between the lungs.
        middle: (z, y, x) in mm.
        size_mm: diameter of a nodule, depth of an effusion, length of a plaque, diameter of the ball of a
            hernia's volume, else the mean diameter before its edges were made ragged.
        lobe: in which the middle lies, such as `right upper lobe`; empty for effusion and between the lungs.
    """

    side: int
    middle: Point
    size_mm: float
    lobe: str = ""


@dataclass(frozen=True, eq=False)
class Lungs:
    """The lungs that findings are drawn into.

    Attributes:
        thorax: the patient.
        airways: share of each voxel that is air in a bronchus, `(D, H, W)`.
        fields: by side, the voxels of the lung.
    """

    thorax: Thorax
    airways: Single
    fields: dict[int, Bools]


@dataclass(frozen=True, eq=False)
class Change:
    """What a finding does.

    Attributes:
        places: where.
        share: of each voxel that it takes up, `(D, H, W)`.
        hu: what it is made of, one value or `(D, H, W)`.
        replaces: whether what was there goes; otherwise it makes denser what is less dense.
    """

    places: tuple[Place, ...]
    share: Single
    hu: Single | float
    replaces: bool = False


def draw_lung_finding(
    finding: CTFinding, canvas: Canvas, lungs: Lungs, rng: np.random.Generator, severity: float, *, back: float
) -> Change:
    """Draw a finding of the lungs.

    Args:
        finding: which.
        canvas: the scan, for its grid.
        lungs: where.
        rng: generator that is advanced.
        severity: from 0 to 1.
        back: all but fluid is put in front of this, mm: fluid is behind.
    """
    if finding == "effusion":
        return _effusion(canvas, lungs, rng, severity)
    if finding == "nodule":
        return _nodules(canvas, lungs, rng, severity, back)
    return _patches(canvas, lungs, rng, severity, back, diffuse=finding == "ground_glass")


def apply_change(canvas: Canvas, change: Change) -> None:
    """Change the values."""
    more = np.asarray(change.hu, np.float32) - canvas.values
    if not change.replaces:
        np.maximum(more, 0, out=more)  # vessels stay as they are
    canvas.add(change.share * more)


def _nodules(canvas: Canvas, lungs: Lungs, rng: np.random.Generator, severity: float, back: float) -> Change:
    share = np.zeros(canvas.grid.shape, np.float32)
    count = 1 + int(rng.random() < 0.25) + int(rng.random() < 0.1)
    size = float(rng.uniform(8, 12) + 22 * severity**1.4)
    found = points_in_lung(lungs.thorax, rng, 0.5 * size + 3, lowest=0.15, back=back, count=count)
    places = []
    for side, middle in found:
        radius = 0.5 * size
        box = canvas.grid.box(*_corners(middle, 1.5 * radius + 3))
        z, y, x = canvas.grid.at(box)
        dz, dy, dx = z - middle[0], y - middle[1], x - middle[2]
        far = np.sqrt(dz**2 + dy**2 + dx**2)
        waves = rng.normal(0, 0.35, (3, 3)) / radius
        bumps = sum(
            float(amount) * np.sin(float(a) * 12 * dz + float(b) * 12 * dy + float(c) * 12 * dx + 2 * number)
            for number, (amount, (a, b, c)) in enumerate(zip(rng.normal(0, 0.07, 3), waves, strict=True))
        )
        part = canvas.grid.cover(far - radius * (1 + bumps))
        np.maximum(share[box], part * lungs.fields[side][box], out=share[box])
        places.append(Place(side, middle, size, lobe(lungs.thorax, side, middle)))
        size *= float(rng.uniform(0.55, 0.95))
    share[share < _FAINTEST] = 0
    return Change(tuple(places), share, _HU["nodule"])


def _patches(
    canvas: Canvas, lungs: Lungs, rng: np.random.Generator, severity: float, back: float, *, diffuse: bool
) -> Change:
    """Ragged patches: few and dense, or more of them and soft, nearer to the pleura."""
    clear = np.ones(canvas.grid.shape, np.float32)
    count = 1 + int(rng.random() < 0.3 + 0.5 * severity) + int(rng.random() < severity) + (1 if diffuse else 0)
    deep, lowest = (6, 0.3) if diffuse else (12, 0.4)
    found = points_in_lung(lungs.thorax, rng, deep, lowest=lowest, back=back, count=count)
    places = []
    for side, middle in found:
        sizes = rng.uniform(13, 20, 3) * (0.85 + 0.9 * severity)
        noise = ndimage.gaussian_filter(rng.standard_normal((_CELLS,) * 3).astype(np.float32), 1.4)
        noise *= (0.55 if diffuse else 0.8) / noise.std()
        core = noise[_CELLS // 2 - 1 : _CELLS // 2 + 1, _CELLS // 2 - 1 : _CELLS // 2 + 1, _CELLS // 2]
        noise -= min(float(core.mean()), 0)
        box = canvas.grid.box(*_corners(middle, 0.5 * _CELLS * _CELL_MM))
        away = [axis - place for axis, place in zip(canvas.grid.at(box), middle, strict=True)]
        far = np.sqrt(sum((step / size) ** 2 for step, size in zip(away, sizes, strict=True)))
        steps = [step / np.float32(_CELL_MM) + np.float32(0.5 * (_CELLS - 1)) for step in away]
        ragged = far - ndimage.map_coordinates(noise, np.broadcast_arrays(*steps), order=1, mode="nearest")
        soft = 5.0 if not diffuse else 2.6
        part = 1 / (1 + np.exp(np.clip(soft * (ragged - 1), -30, 30)))
        part *= np.clip(2.5 - ragged, 0, 1) * (lungs.fields[side][box])
        clear[box] *= 1 - part
        places.append(Place(side, middle, 2 * float(sizes.mean()), lobe(lungs.thorax, side, middle)))
    share = (1 - clear) * np.clip(1 - 2 * lungs.airways, 0, 1)  # bronchi keep their air
    share[share < (0.12 if diffuse else _FAINTEST)] = 0
    return Change(tuple(places), share, _HU["ground_glass" if diffuse else "consolidation"])


def _effusion(canvas: Canvas, lungs: Lungs, rng: np.random.Generator, severity: float) -> Change:
    """Fluid at the back of one pleural space or of both, as the patient lies, level but for a little at its edge."""
    thorax, grid = lungs.thorax, canvas.grid
    first = RIGHT if rng.random() < 0.52 else LEFT
    both, less = rng.random() < 0.3, float(rng.uniform(0.4, 0.9))
    share = np.zeros(grid.shape, np.float32)
    places = []
    z, y, x = grid.axes
    wall = chest_wall(thorax, z, y, x)
    for side, amount in ((first, 1.0), (-first, less))[: 2 if both else 1]:
        depth = (14 + 58 * severity) * amount
        level = thorax.depth - depth
        climb = 9 * np.exp(np.minimum(wall + 2, 0) / 7)  # along the wall
        part = np.clip(0.5 + (y - level + climb) / np.float32(grid.pixel_mm), 0, 1)
        part = part * np.clip((z - 0.32 * thorax.dome[0]) / 25, 0, 1) * lungs.fields[side]
        np.maximum(share, part, out=share)
        places.append(Place(side, (0.8 * thorax.dome[0], level + 0.5 * depth, side * 0.5 * thorax.width), depth))
    share[share < _FAINTEST] = 0
    return Change(tuple(places), share, _HU["effusion"], replaces=True)


def _corners(middle: Point, reach: float) -> tuple[Point, Point]:
    z, y, x = middle
    return (z - reach, y - reach, x - reach), (z + reach, y + reach, x + reach)
