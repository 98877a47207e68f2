"""Bones of the chest and its airways in centimetres along the ray."""

import numpy as np
from scipy import ndimage

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Anatomy, Floats, chest_wall, of_side
from sightline.data.phantoms.body import ARMPIT, trunk_half
from sightline.data.phantoms.projection import Band, Projection, draw_bands

SPINE, AIRWAY = 0.09, 0.14  # how far from the midline they reach
_RIBS = 10
_QUARTER = np.linspace(0, np.pi / 2, 22)
_ALONG = np.linspace(0, 1, 24)
_RIB = (0.0105 + 0.0007 * np.minimum(np.arange(_RIBS), 6))[:, None]
REAR_RIB = _RIB * (1 - 0.15 * np.cos(2 * _QUARTER))  # half widths of the ribs at the points of their arcs
FRONT_RIB = _RIB * 1.12 * (1 + 0.25 * _QUARTER / 1.6)
REAR_LEVELS, FRONT_LEVELS = (105, 190), (80, 135)  # grey inside and of the rim
FRONT_RIBS = slice(1, 8)  # those that are seen from the front


def rib_bands(anatomy: Anatomy) -> tuple[list[Band], list[Band]]:
    """The posterior ribs and the anterior, from the top down."""
    rear: list[Band] = []
    front: list[Band] = []
    for side in (RIGHT, LEFT):
        back, fore = rib_arcs(anatomy, side)
        rear += (Band(*rib, *REAR_LEVELS) for rib in zip(back, REAR_RIB, strict=True))
        front += (Band(*rib, *FRONT_LEVELS) for rib in zip(fore[FRONT_RIBS], FRONT_RIB[FRONT_RIBS], strict=True))
    return rear, front


def rib_arcs(anatomy: Anatomy, side: int) -> tuple[Floats, Floats]:
    """Posterior and anterior arcs of all ribs, each `(R, P, 2)` in patient coordinates; they meet at the chest wall."""
    index = np.arange(_RIBS)[:, None]
    head = of_side(anatomy.apex, side) - 0.005 + anatomy.rib_pitch * index * (1 + 0.012 * index)
    descent = (0.065 + 0.013 * index) * anatomy.rib_slope
    meeting = head + descent
    lateral = chest_wall(anatomy, side, meeting) + 0.008
    lateral = np.maximum(lateral, 0.12 + 0.05 * np.minimum(index, 2))
    start = 0.035
    rear_out = start + (lateral - start) * np.sin(_QUARTER)
    rear_down = head - 0.018 * np.sin(2 * _QUARTER) * (1 + 0.05 * index) + descent * (1 - np.cos(_QUARTER)) ** 1.15
    end = 0.1 + 0.017 * index
    fall = (0.085 + 0.013 * index) * anatomy.rib_slope
    front_out = lateral - (lateral - end) * (1 - np.cos(_QUARTER))
    front_down = meeting + fall * np.sin(_QUARTER) ** 0.9
    return np.stack([side * rear_out, rear_down], axis=-1), np.stack([side * front_out, front_down], axis=-1)


def _ribs(anatomy: Anatomy, projection: Projection) -> Floats:
    rear, front = rib_bands(anatomy)
    u, v = projection.coordinates()
    bone = draw_bands(rear, projection) + draw_bands(front, projection) * front_fade(anatomy, u)
    return 1.5 * bone * scatter_fade(anatomy, v)


def scatter_fade(anatomy: Anatomy, v: Floats) -> Floats:
    """How much of the lower ribs is left below the diaphragm, where they drown in scatter."""
    fade: Floats = 1 - 0.45 * np.clip((v - max(anatomy.dome)) / 0.15, 0, 1)
    return fade


def front_fade(anatomy: Anatomy, u: Floats) -> Floats:
    """Anterior ribs turn into cartilage, which does not show, towards the sternum."""
    fade: Floats = np.clip((np.abs(u) / max(anatomy.width) - 0.3) / 0.3, 0, 1)
    return fade


def girdle_bands(anatomy: Anatomy) -> tuple[list[Band], list[Band], list[Band]]:
    """Clavicles, shoulder blades and shafts of the upper arms."""
    clavicles, blades, arms = [], [], []
    t = _ALONG
    for side in (RIGHT, LEFT):
        inner = of_side(anatomy.apex, side) + 0.05
        out = 0.028 + 0.385 * t
        bend = 0.018 * np.sin(2 * np.pi * t) - anatomy.clavicle_tilt * t**0.9
        width = 0.0115 + 0.006 * (1 - t) ** 3 + 0.003 * t**3
        clavicles.append(Band(np.stack([side * out, inner + bend], axis=-1), width, inside=120, rim=205))
        top = anatomy.shoulder + 0.05
        border = np.stack([side * (0.405 - 0.05 * np.sin(np.pi * t * 0.6) - 0.01 * t), top + 0.03 + 0.28 * t], axis=-1)
        blades.append(Band(border, 0.008 + 0.004 * (1 - t), inside=70, rim=110))
        ridge = np.stack([side * (0.31 + 0.13 * t), top + 0.065 - 0.05 * t], axis=-1)
        blades.append(Band(ridge, 0.009 + 0.004 * t, inside=55, rim=95))
        elbow = (
            float(trunk_half(anatomy, np.array(0.8))) + 0.065 + anatomy.abduction * (0.8 - anatomy.shoulder - ARMPIT)
        )
        shaft = np.stack([side * (0.465 + (elbow - 0.465) * t), top + 0.03 + (0.77 - top) * t], axis=-1)
        arms.append(Band(shaft, 0.024 + 0.014 * np.exp(-((t / 0.08) ** 2)), inside=95, rim=165))
    return clavicles, blades, arms


def arm_heads(anatomy: Anatomy, u: Floats, v: Floats) -> Floats:
    """Heads of the upper arms as balls of height 1."""
    far = [np.hypot((side * u - 0.455) / 0.045, (v - anatomy.shoulder - 0.085) / 0.05) for side in (RIGHT, LEFT)]
    right, left = (np.sqrt(np.clip(1 - away**2, 0, None)) for away in far)
    heads: Floats = right + left
    return heads


def _girdle(anatomy: Anatomy, projection: Projection) -> Floats:
    clavicles, blades, arms = girdle_bands(anatomy)
    head = arm_heads(anatomy, *projection.coordinates())
    level = 2.1 * draw_bands(clavicles, projection) + 1.6 * draw_bands(blades, projection)
    bones: Floats = level + 2.6 * draw_bands(arms, projection, rim_width=0.006) + 1.6 * head
    return bones


def spine(anatomy: Anatomy, u: Floats, v: Floats) -> Floats:
    """Vertebral bodies with discs between, pedicles and processes, within `SPINE` of the midline; see `bone_cm`."""
    phase = (v / anatomy.vertebra) % 1.0
    half = 0.031 + 0.012 * np.clip(v - 0.1, 0, 1) + 0.003 * np.cos(2 * np.pi * phase)
    column = np.sqrt(np.clip(1 - (u / half) ** 4, 0, None))
    disc = np.exp(-(((phase - 0.5) / 0.13) ** 2))
    endplate = np.exp(-(((np.abs(phase - 0.5) - 0.2) / 0.06) ** 2))
    pedicle = np.exp(-(((np.abs(u) - 0.62 * half) / 0.007) ** 2) - ((phase - 0.02) % 1.0 - 0.1) ** 2 / 0.012)
    process = np.exp(-((u / 0.006) ** 2) - ((phase - 0.75) / 0.15) ** 2)
    transverse = np.exp(-(((np.abs(u) - 1.3 * half) / 0.02) ** 2) - ((phase - 0.12) / 0.1) ** 2)
    bone: Floats = column * (1.9 - 0.8 * disc + 0.4 * endplate) + 0.7 * pedicle + 0.7 * process + 0.4 * transverse
    return bone


def bone_cm(anatomy: Anatomy, projection: Projection) -> Floats:
    """Bone along each ray, in centimetres of soft tissue that would weaken the beam as much, `(side, side)`."""
    u, v = projection.coordinates()
    bone = _ribs(anatomy, projection) + _girdle(anatomy, projection)
    near = _columns(u, SPINE)
    bone[:, near] += spine(anatomy, u[:, near], v[:, near])
    smooth: Floats = ndimage.gaussian_filter(bone, 0.0016 * projection.side)
    return smooth


def _columns(u: Floats, reach: float) -> slice:
    """The columns of the film that come within `reach` of the midline."""
    near = np.flatnonzero((np.abs(u) < reach).any(axis=0))
    return slice(int(near[0]), int(near[-1]) + 1)


def airway_cm(u: Floats, v: Floats) -> Floats:
    """Air in the trachea and main bronchi along each ray, in centimetres."""
    near = _columns(u, AIRWAY)
    air = np.zeros_like(u)
    air[:, near] = airway(u[:, near], v[:, near])
    return air


def trachea(u: Floats) -> Floats:
    """As `airway`, above the level of 0.37, where it is the same at all levels."""
    air: Floats = 2.6 * _trachea(u)
    return air


def _trachea(u: Floats) -> Floats:
    tube: Floats = np.sqrt(np.clip(1 - ((u + 0.004) / 0.021) ** 2, 0, None))
    return tube


def airway(u: Floats, v: Floats) -> Floats:
    """As `airway_cm`, for points that are all within `AIRWAY` of the midline."""
    fork = 0.385
    air: Floats = 2.6 * (_trachea(u) * np.clip((fork + 0.012 - v) / 0.02, 0, 1))
    for side, slope, length in ((RIGHT, 1.15, 0.1), (LEFT, 0.75, 0.13)):
        cos, sin = slope / np.hypot(1, slope), 1 / np.hypot(1, slope)  # `slope`: down over out
        along = np.clip(side * u * sin + (v - fork) * cos, 0, length)
        aside = np.hypot(side * u - along * sin, v - fork - along * cos)
        tube = np.sqrt(np.clip(1 - (aside / 0.015) ** 2, 0, None))
        air = np.maximum(air, 1.8 * tube * (1 - along / length))
    return air
