"""Bones of the chest: spine, ribs with their cartilage, breastbone, collarbones and shoulder blades."""

import numpy as np

from sightline.data.phantoms.anatomy import LEFT, RIGHT
from sightline.data.phantoms.ct.grid import Canvas, Single, tube
from sightline.data.phantoms.ct.organs import ORGANS
from sightline.data.phantoms.ct.thorax import Thorax, chest_wall, swell

_CORTEX_HU, _MARROW_HU, _CARTILAGE_HU = 720.0, 210.0, 95.0
_RIB = (4.2, 6.0)  # half thickness and half height
_DESCENT = 88.0  # how far a rib runs down from the spine to its end in front


def paint_cage(canvas: Canvas, thorax: Thorax) -> None:
    """Paint the bones about the chest: ribs, breastbone, collarbones and shoulder blades."""
    _ribs(canvas, thorax)
    _front_and_shoulders(canvas, thorax)


def _bone(canvas: Canvas, outside: Single, box: tuple[slice, slice, slice] | None, label: int) -> None:
    """A hard shell about marrow."""
    canvas.paint(outside, _CORTEX_HU, label, box)
    canvas.paint(outside + 2.2, _MARROW_HU, box=box)


def _ribs(canvas: Canvas, thorax: Thorax) -> None:
    z, y, x = canvas.grid.axes
    round_about = np.arctan2(np.abs(x), y / thorax.depth * thorax.width) / np.float32(
        np.pi
    )  # 0 at the back, 1 in front
    run = z - _DESCENT * round_about**1.3 - 8
    pitch = thorax.rib_pitch
    nearest = (run / pitch + 0.5) % 1 * pitch - pitch / 2
    number = np.floor(run / pitch + 0.5)
    deep = chest_wall(thorax, z, y, x) - 6
    outside: Single = (np.hypot(deep / _RIB[0], nearest / _RIB[1]) - 1) * np.float32(_RIB[0])
    outside = np.maximum(outside, np.where((number >= 0) & (number < 12), -9, 9))  # there are twelve
    outside = np.maximum(outside, 100 * (round_about - np.clip(0.93 - 0.028 * number, 0.3, 1)))
    canvas.paint(np.maximum(outside, 60 * (0.72 - round_about)), _CARTILAGE_HU)
    _bone(canvas, np.maximum(outside, 60 * (round_about - 0.74)), None, ORGANS["ribs"])


def paint_spine(canvas: Canvas, thorax: Thorax) -> None:
    """Paint the spine, which stands into the chest from behind."""
    middle = thorax.spine_y
    box = canvas.grid.box((-1e3, middle - 30, -48), (1e3, middle + 70, 48))
    z, y, x = canvas.grid.at(box)
    phase = (z / thorax.vertebra) % 1
    waist = 17 + 0.012 * z - 1.6 * np.cos(2 * np.pi * phase)
    body = (np.hypot(x / waist, (y - middle) / (0.82 * waist)) - 1) * 14
    disc = 3 - np.abs(phase - 0.0) * thorax.vertebra
    disc = np.maximum(disc, 3 - np.abs(1 - phase) * thorax.vertebra)
    _bone(canvas, np.maximum(body, disc), box, ORGANS["spine"])
    canvas.paint(np.maximum(body, -disc), 88, box=box)
    high = np.abs(phase - 0.5) * thorax.vertebra
    arch = np.abs(np.hypot(x / 1.15, y - middle - 23) - 11.5) - 3
    _bone(canvas, np.maximum(arch, high - 8.5), box, ORGANS["spine"])
    canvas.paint(np.hypot(x / 1.15, y - middle - 23) - 8.5, 32, box=box)  # the canal
    spinous = np.maximum(np.abs(x) - 3.2, np.abs(y - middle - 44) - 12)
    _bone(canvas, np.maximum(spinous, np.abs(high - 2) - 7), box, ORGANS["spine"])
    wings = np.maximum(np.abs(y - middle - 18 - 0.15 * np.abs(x)) - 4, np.abs(np.abs(x) - 25) - 12)
    _bone(canvas, np.maximum(wings, high - 5), box, ORGANS["spine"])


def _front_and_shoulders(canvas: Canvas, thorax: Thorax) -> None:
    grid = canvas.grid
    box = grid.box((10, -200, -30), (190, 0, 30))
    z, y, x = grid.at(box)
    front = -thorax.depth * (0.12 + 0.88 * swell(z)) - 9
    plate = np.maximum(np.abs(y - front) - 6, np.abs(x) - (17 - 0.05 * np.abs(z - 60)))
    _bone(canvas, np.maximum(plate, np.abs(z - 98) - 72), box, ORGANS["ribs"])
    for side in (RIGHT, LEFT):
        inner = (26.0, -0.52 * thorax.depth - 6, side * 24.0)
        outer = (-6.0, -4.0, side * (0.86 * thorax.width))
        low, high = sorted((inner[2], outer[2]))
        box = grid.box((-30, -120, low - 12), (50, 40, high + 12))
        _bone(canvas, tube(*grid.at(box), (inner, outer), (7.0, 6.0)), box, ORGANS["ribs"])
        low, high = sorted((side * 30.0, side * 1.3 * thorax.width))
        box = grid.box((-40, 0, low), (140, 160, high))
        z, y, x = grid.at(box)
        sheet = np.abs(chest_wall(thorax, z, y, x) - 21 - 0.06 * np.abs(z - 60)) - 2.6
        turned = np.arctan2(side * x / thorax.width, y / thorax.depth)
        sheet = np.maximum(sheet, 90 * (np.abs(turned - 0.78) - (0.5 - 0.0026 * np.clip(z, 0, None))))
        _bone(canvas, np.maximum(sheet, z - 118), box, ORGANS["ribs"])
