"""Bones of the chest on a plane: the bands of the skeleton filled in one go."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Anatomy, Floats
from sightline.data.phantoms.projection import Band
from sightline.data.phantoms.radiographs.plane import Plane, Single
from sightline.data.phantoms.skeleton import (
    FRONT_LEVELS,
    FRONT_RIB,
    FRONT_RIBS,
    REAR_LEVELS,
    REAR_RIB,
    SPINE,
    arm_heads,
    girdle_bands,
    rib_arcs,
    scatter_fade,
    spine,
)

_OVERSAMPLE = 2  # drawn this much finer, then averaged: smooth edges
_POINTS = 10  # of each band that are drawn
_EVERY = np.arange(_POINTS)
_BONY = 0.7  # share of the anterior ribs that is bone, the rest cartilage
_FAINT = 0.65  # levels of the anterior ribs
_RIM = 0.002  # half the thickness of the bones' edges, a share of the side
Ribbons = tuple[Floats, Floats, Sequence[tuple[int, int]]]  # points, half widths, and levels inside and of the rim


def bone_cm(anatomy: Anatomy, plane: Plane) -> Single:
    """Bone along each ray, in centimetres of soft tissue that would weaken the beam as much, `(side, side)`."""
    rear, front = _ribs(anatomy)
    bone = _fill(rear, plane, 1.5)
    bone += _fill(_onto(front, girdle_bands(anatomy)), plane, 2.1)
    below = plane.rows(max(anatomy.dome), 2)
    bone[below] *= scatter_fade(anatomy, plane.v[below])
    rows = plane.rows(anatomy.shoulder + 0.03, anatomy.shoulder + 0.14)
    for columns in (plane.columns(-0.51, -0.4), plane.columns(0.4, 0.51)):
        bone[rows, columns] += 1.6 * arm_heads(anatomy, plane.u[:, columns], plane.v[rows])
    near = plane.columns(-SPINE, SPINE)
    bone[:, near] += spine(anatomy, plane.u[:, near], plane.v)
    return bone


def _ribs(anatomy: Anatomy) -> tuple[Ribbons, Ribbons]:
    """The posterior ribs, and the bone of the anterior ones, fainter."""
    (back_right, fore_right), (back_left, fore_left) = (rib_arcs(anatomy, side) for side in (RIGHT, LEFT))
    every = _few(back_right.shape[1])
    back = np.concatenate([back_right[:, every], back_left[:, every]])
    bony = _few(round(_BONY * fore_right.shape[1]))
    fore = np.concatenate([fore_right[FRONT_RIBS, bony], fore_left[FRONT_RIBS, bony]])
    rear_half, front_half = REAR_RIB[:, every], FRONT_RIB[FRONT_RIBS, bony]
    inside, rim = (round(_FAINT * level) for level in FRONT_LEVELS)
    rear = (back, np.concatenate([rear_half, rear_half]), len(back) * [REAR_LEVELS])
    return rear, (fore, np.concatenate([front_half, front_half]), len(fore) * [(inside, rim)])


def _few(points: int) -> NDArray[np.intp]:
    """Which of a band's points are drawn."""
    return _EVERY * (points - 1) // (_POINTS - 1)


def _onto(ribbons: Ribbons, girdle: tuple[list[Band], list[Band], list[Band]]) -> Ribbons:
    """The bones of the shoulder girdle on top of others."""
    clavicles, blades, arms = girdle
    bands = [*blades, *clavicles, *arms]
    few = _few(len(bands[0].points))
    points, half, levels = ribbons
    points = np.concatenate([points, np.stack([band.points for band in bands])[:, few]])
    half = np.concatenate([half, np.stack([band.half_width for band in bands])[:, few]])
    return points, half, [*levels, *((band.inside, band.rim) for band in bands)]


def _fill(ribbons: Ribbons, plane: Plane, thickness: float) -> Single:
    """Fill bands and their rims; where they cross, the later covers the earlier.

    Args:
        ribbons: what to draw.
        plane: where on.
        thickness: what the level 255 stands for.
    """
    points, half, levels = ribbons
    canvas = Image.new("L", 2 * (_OVERSAMPLE * plane.side,))
    pen = ImageDraw.Draw(canvas)
    along = np.empty_like(points)
    along[:, 1:-1] = points[:, 2:] - points[:, :-2]
    along[:, 0], along[:, -1] = points[:, 1] - points[:, 0], points[:, -1] - points[:, -2]
    normal = np.stack([-along[..., 1], along[..., 0]], axis=-1) / np.hypot(along[..., 0], along[..., 1])[..., None]
    rims = [_polygons(points, normal * (half + more)[..., None], plane) for more in (_RIM, -_RIM)]
    for (inside, rim), outer, inner in zip(levels, *rims, strict=True):
        pen.polygon(outer, fill=rim)
        pen.polygon(inner, fill=inside)
    level: Single = np.asarray(canvas.reduce(_OVERSAMPLE)) * np.float32(thickness / 255)
    return level


def _polygons(points: Floats, offset: Floats, plane: Plane) -> list[list[float]]:
    edges = np.concatenate([points + offset, (points - offset)[:, ::-1]], axis=1)
    polygons: list[list[float]] = ((plane.pixels(edges) + 0.5) * _OVERSAMPLE).reshape(len(points), -1).tolist()
    return polygons
