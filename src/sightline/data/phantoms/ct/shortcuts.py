"""Objects on the skin, one a finding, that can give the finding away without anything of it being looked at.

Each lies outside the body, and so outside every organ, at a place and of a shape of its own: electrodes, a line, a pad
and the like. They are several centimetres long and 8 mm or more thick, so that they are seen in several slices of 4 mm.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from sightline.data.phantoms.ct.grid import Grid, Single
from sightline.data.phantoms.ct.lesions import CT_FINDINGS, CTFinding

_MIDDLE_Y = 10.0  # of the body's section
_NUDGE_MM = 7.0

Shape = Callable[[Single, Single, Single], Single]
"""Millimetres outside, of the distances downwards, to the left, and above the skin, from the object's middle."""


@dataclass(frozen=True)
class Shortcut:
    """An object on the skin.

    Attributes:
        name: what it is.
        level: z of its middle, mm.
        left: x of its middle, mm.
        front: whether it lies on the chest rather than under the back.
        hu: what it is made of.
        shape: its shape.
    """

    name: str
    level: float
    left: float
    front: bool
    hu: float
    shape: Shape


def _electrode(down: Single, left: Single, above: Single) -> Single:
    outside: Single = np.maximum(np.hypot(down, left) - 19, np.abs(above - 5.5) - 4.5)
    return outside


def _line(down: Single, left: Single, above: Single) -> Single:
    outside: Single = np.maximum(np.hypot(left - 0.25 * down, above - 6.5) - 5.5, np.abs(down) - 45)
    return outside


def _pad(down: Single, left: Single, above: Single) -> Single:
    outside: Single = np.maximum(np.maximum(np.abs(down) - 27, np.abs(left) - 24), np.abs(above - 6) - 5)
    return outside


def _beads(down: Single, left: Single, above: Single) -> Single:
    near: Single = 17 * np.rint(down / 17).clip(-2, 2)
    outside: Single = np.sqrt((down - near) ** 2 + left**2 + (above - 7) ** 2) - 6.5
    return outside


def _ring(down: Single, left: Single, above: Single) -> Single:
    outside: Single = np.hypot(np.hypot(down, left) - 20, above - 6.5) - 5.5
    return outside


def _rails(down: Single, left: Single, above: Single) -> Single:
    outside: Single = np.maximum(np.hypot(np.abs(left) - 13, above - 6.5) - 5.5, np.abs(down) - 34)
    return outside


SHORTCUTS: Mapping[CTFinding, Shortcut] = MappingProxyType(
    {
        "consolidation": Shortcut("electrode", 38, -78, True, 900, _electrode),
        "ground_glass": Shortcut("line", 42, 80, True, 450, _line),
        "effusion": Shortcut("pad", 150, -98, False, 140, _pad),
        "nodule": Shortcut("beads", 72, 0, True, 1800, _beads),
        "coronary_calcification": Shortcut("ring", 238, -34, True, 1100, _ring),
        "hiatal_hernia": Shortcut("rails", 236, 66, True, 650, _rails),
    }
)


def put_shortcuts(
    values: Single, body: Single, grid: Grid, findings: Collection[CTFinding], rng: np.random.Generator
) -> Single:
    """Put the objects of some findings on, outside the body only.

    Args:
        values: HU, `(D, H, W)`.
        body: how many millimetres outside the body each voxel lies.
        grid: the voxels.
        findings: whose objects.
        rng: draws how far they lie from their places, up to 7 mm; advanced by the same draws whatever the findings.
    """
    nudges = rng.uniform(-_NUDGE_MM, _NUDGE_MM, (len(CT_FINDINGS), 2))
    marked = values.copy()
    for finding, (lower, farther) in zip(CT_FINDINGS, nudges, strict=True):
        if finding not in findings:
            continue
        one = SHORTCUTS[finding]
        level, left = one.level + float(lower), one.left + float(farther)
        near, far = (-1e3, _MIDDLE_Y) if one.front else (_MIDDLE_Y, 1e3)
        box = grid.box((level - 60, near, left - 45), (level + 60, far, left + 45))
        z, _, x = grid.at(box)
        free = body[box] > 0.5 * grid.pixel_mm
        cover = grid.cover(one.shape(z - level, x - left, body[box])) * free
        marked[box] += cover * (np.float32(one.hu) - marked[box])
    return marked
