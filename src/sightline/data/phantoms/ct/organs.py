"""Soft organs: body, heart, great vessels, gullet, airways down to the main bronchi, and the upper abdomen."""

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sightline.data.phantoms.anatomy import LEFT, RIGHT
from sightline.data.phantoms.ct.grid import Canvas, Point, Single, ball, tube
from sightline.data.phantoms.ct.thorax import (
    Thorax,
    between_lungs,
    breasts,
    chest_wall,
    diaphragm,
    heart,
    horizontal_fissure,
    lung,
    oblique_fissure,
    skin,
)

AIR_HU, FAT_HU, MUSCLE_HU, SKIN_HU, LUNG_HU = -1000.0, -100.0, 52.0, 20.0, -860.0
ORGANS = MappingProxyType(  # the lungs with what is in them; the airways down to the main bronchi
    {
        "lung_right": 1,
        "lung_left": 2,
        "heart": 3,
        "aorta": 4,
        "airways": 5,
        "liver": 6,
        "spleen": 7,
        "stomach": 8,
        "spine": 9,
        "ribs": 10,
        "great_vessels": 11,
    }
)
PARTITION = MappingProxyType({"lung_right": 1, "mediastinum": 2, "lung_left": 3})  # where findings may lie
_BELOW_OR_BONE = ("liver", "spleen", "stomach", "spine", "ribs")
CARINA = 96.0  # level at which the trachea forks


def paint_body(canvas: Canvas, thorax: Thorax) -> Single:
    """Paint skin, fat and the muscles of the chest wall; return how far outside the body each voxel lies."""
    z, y, x = canvas.grid.axes
    outside = skin(thorax, z, y, x)
    if thorax.breast:
        outside = np.minimum(outside, breasts(thorax, z, y, x))
    canvas.paint(outside, SKIN_HU)
    canvas.paint(outside + 2.5, FAT_HU)
    wall = chest_wall(thorax, z, y, x)
    trunk = skin(thorax, z, y, x) + thorax.fat
    seams = 9 * np.cos(np.arctan2(y, x) * 6 + z / 60)  # where muscles meet there is fat
    canvas.paint(np.maximum(trunk, wall - 27 - seams), MUSCLE_HU)
    canvas.paint(wall - 11, MUSCLE_HU)
    canvas.paint(wall - 1, FAT_HU)  # the inside, which organs fill
    return outside


def paint_abdomen(canvas: Canvas, thorax: Thorax, blood: float) -> None:
    """Paint liver, spleen and stomach, below the diaphragm and inside the chest wall."""
    grid = canvas.grid
    box = grid.box((min(thorax.dome) - 4, -200, -200), (1e3, 200, 200))
    z, y, x = grid.at(box)
    wall = chest_wall(thorax, z, y, x)
    blend = np.clip((x + 14) / 28, 0, 1)
    level = (1 - blend) * diaphragm(thorax, RIGHT, y, x) + blend * diaphragm(thorax, LEFT, y, x)
    cap = np.maximum(wall + 3, np.float32(0.75) * (level + 3 - z))
    enhanced = 0.25 * max(blood - 45, 0)
    canvas.paint(np.maximum(wall + 1, np.float32(0.75) * (level - z)), MUSCLE_HU, box=box)  # the diaphragm itself
    canvas.paint(cap, FAT_HU, box=box)
    reach = thorax.liver - 0.9 * np.clip(y + 25, 0, None) - 0.2 * np.clip(z - thorax.dome[1] - 30, 0, None)
    canvas.paint(np.maximum(cap, 0.7 * (x - reach)), 58 + enhanced, ORGANS["liver"], box)
    dome = thorax.dome[1]
    spleen = ball(z, y, x, (dome + 62, 0.42 * thorax.depth, 0.7 * thorax.width), (46, 34, 30))
    canvas.paint(np.maximum(cap, spleen), 48 + enhanced, ORGANS["spleen"], box)
    middle: Point = (dome + 58, -0.3 * thorax.depth, 0.48 * thorax.width)
    stomach = np.maximum(cap, ball(z, y, x, middle, (50, 38, 40)))
    canvas.paint(stomach, 45, ORGANS["stomach"], box)
    surface = middle[1] - 38 + 76 * thorax.gas  # of the fluid in it, level as the patient lies
    canvas.paint(stomach + 4, 12, box=box)
    canvas.paint(np.maximum(stomach + 4, y - surface), -960, box=box)


def paint_heart(canvas: Canvas, thorax: Thorax, blood: float) -> None:
    """Paint the heart in its fat, with the blood of its chambers."""
    grid, (level, back, left) = canvas.grid, thorax.heart_middle
    box = grid.box((level - 100, back - 100, left - 100), (level + 100, back + 100, left + 100))
    z, y, x = grid.at(box)
    above = 0.75 * (z - np.minimum(diaphragm(thorax, RIGHT, y, x), diaphragm(thorax, LEFT, y, x)) - 10)
    outside = np.maximum(heart(thorax, z, y, x), above)
    canvas.paint(np.maximum(heart(thorax, z, y, x, margin=5), above), FAT_HU, box=box)
    muscle = 48 + 0.35 * max(blood - 45, 0)
    canvas.paint(outside, muscle, ORGANS["heart"], box)
    scale = thorax.heart
    chambers = (  # left ventricle, right ventricle, left atrium, right atrium
        ((12, 6, 22), (21, 17, 24)),
        ((8, -20, -4), (21, 14, 23)),
        ((-16, 20, -14), (17, 15, 22)),
        ((4, 4, -38), (25, 18, 15)),
    )
    for offset, radii in chambers:
        middle = (level + scale * offset[0], back + scale * offset[1], left + scale * offset[2])
        size = (scale * radii[0], scale * radii[1], scale * radii[2])
        canvas.paint(np.maximum(outside + 5, ball(z, y, x, middle, size)), blood, box=box)


def paint_vessels(canvas: Canvas, thorax: Thorax, blood: float) -> None:
    """Paint aorta, upper caval vein, pulmonary trunk and its two branches, and the oesophagus."""
    grid, radius = canvas.grid, thorax.aorta
    level, back, _ = thorax.heart_middle
    hilum = CARINA + 18
    trunk = (level - 28, back - 8, 22.0)
    fork = (hilum - 6, back + 22, 12.0)
    for ends, wide in (
        ((trunk, fork), (13.0, 12.0)),
        ((fork, (hilum, 2.0, -44.0)), (11.5, 9.0)),
        ((fork, (hilum - 6, 14.0, 46.0)), (11.0, 9.0)),
        (((level - 36, 20.0, -42.0), (level - 24, 12.0, -12.0)), (7.0, 9.0)),  # pulmonary veins
        (((level - 32, 24.0, 48.0), (level - 24, 12.0, 14.0)), (7.0, 9.0)),
        (((-40.0, -16.0, -28.0), (level - 20, -12.0, -30.0)), (8.5, 9.5)),
        (((-40.0, -10.0, 26.0), (20.0, -14.0, 20.0)), (4.5, 4.5)),  # to the neck and arms
        (((-40.0, -12.0, -16.0), (thorax.arch - 12, -14.0, -6.0)), (5.5, 6.0)),
        (((-40.0, 2.0, 14.0), (thorax.arch - 8, 0.0, 10.0)), (3.5, 4.0)),
    ):
        low, high = (
            tuple(pick(a, b) + pad for a, b in zip(*ends, strict=True)) for pick, pad in ((min, -16), (max, 16))
        )
        box = grid.box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
        canvas.paint(tube(*grid.at(box), ends, wide), blood, ORGANS["great_vessels"], box)
    box = grid.box((-1e3, -200, -80), (1e3, 200, 80))
    z, y, x = grid.at(box)
    canvas.paint(_aorta(thorax, z, y, x), blood, ORGANS["aorta"], box)
    gullet = np.hypot((x - 6) / 1.3, y - thorax.spine_y + 27 + 0.02 * z) - 5.5
    canvas.paint(np.where(gullet < radius, gullet, radius), 34, box=box)


def _aorta(thorax: Thorax, z: Single, y: Single, x: Single) -> Single:
    """Millimetres outside the aorta: up from the heart, over in an arch to the left of the spine, and down."""
    level, back, _ = thorax.heart_middle
    rise, fall = (back + 12, -8.0), (thorax.spine_y - 24, 22.0)  # (y, x) of the two legs
    span = float(np.hypot(fall[0] - rise[0], fall[1] - rise[1]))
    along = ((y - rise[0]) * (fall[0] - rise[0]) + (x - rise[1]) * (fall[1] - rise[1])) / span
    aside = ((x - rise[1]) * (fall[0] - rise[0]) - (y - rise[0]) * (fall[1] - rise[1])) / span
    bend = thorax.arch + span / 2  # level from which the arch starts
    ring = np.hypot(along - span / 2, np.minimum(z - bend, 0)) - span / 2
    legs = np.hypot(ring, aside) - thorax.aorta * np.where(along < span / 2, 1.08, 0.9)
    ends = np.where(along < span / 2, z - (level - 12), -1e3)  # the rising leg ends in the heart
    outside: Single = np.maximum(legs, ends)
    return outside


def paint_airways(canvas: Canvas) -> None:
    """Paint the trachea and the main bronchi with their walls."""
    grid = canvas.grid
    fork: Point = (CARINA, 20.0, -1.0)
    for ends, wide in (
        (((-60.0, 8.0, 0.0), fork), (8.5, 8.5)),
        ((fork, (CARINA + 26, 24.0, -38.0)), (7.5, 6.0)),
        ((fork, (CARINA + 28, 26.0, 42.0)), (7.0, 5.5)),
    ):
        low, high = (
            tuple(pick(a, b) + pad for a, b in zip(*ends, strict=True)) for pick, pad in ((min, -12), (max, 12))
        )
        box = grid.box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
        outside = tube(*grid.at(box), ends, wide)
        walls = np.where(canvas.labels[box] == ORGANS["airways"], np.float32(50), outside - 1.8)
        canvas.paint(walls, 35, box=box)
        canvas.paint(outside, -990, ORGANS["airways"], box)


def paint_lungs(canvas: Canvas, thorax: Thorax, texture: Single) -> dict[int, Single]:
    """Paint the two lungs, denser towards the back, with their fissures.

    Args:
        canvas: painted on.
        thorax: the patient.
        texture: HU added, `(D, H, W)`.

    Returns:
        By side, how far outside the lung each voxel lies, `(D, H, W)`.
    """
    z, y, x = canvas.grid.axes
    value = LUNG_HU + 45 * y / thorax.depth + texture
    outsides = {}
    for side, name in ((RIGHT, "lung_right"), (LEFT, "lung_left")):
        outside = lung(thorax, side, z, y, x)
        canvas.paint(outside, value, ORGANS[name])
        oblique = oblique_fissure(thorax, side, z, y)
        plane = np.abs(oblique)
        if side == RIGHT:  # the horizontal fissure, in front of the oblique one
            plane = np.minimum(plane, np.where(oblique < 0, np.abs(horizontal_fissure(thorax, z, y)), 99))
        thin = min(230 / canvas.grid.pixel_mm, 300) * np.clip(1.2 - plane / canvas.grid.pixel_mm, 0, 1)
        canvas.add((thin * (outside < -2)).astype(np.float32))
        outsides[side] = outside
    return outsides


def partition(canvas: Canvas, thorax: Thorax) -> NDArray[np.uint8]:
    """Part the inside of the chest into what findings are told of.

    Returns:
        Number as in `PARTITION` of each voxel, 0 elsewhere, `(D, H, W)`: the lungs are those of the labels, the
        mediastinum all else within the rib cage and above the diaphragm but the spine.
    """
    inside = between_lungs(thorax, *canvas.grid.axes) < 0
    inside &= ~np.isin(canvas.labels, [ORGANS[name] for name in _BELOW_OR_BONE])
    parts = np.where(inside, np.uint8(PARTITION["mediastinum"]), np.uint8(0))
    for lung_name in ("lung_right", "lung_left"):
        parts[canvas.labels == ORGANS[lung_name]] = PARTITION[lung_name]
    return parts
