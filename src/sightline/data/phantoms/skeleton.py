"""Bones of the chest and its airways in centimetres along the ray."""

import numpy as np
from scipy import ndimage

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Anatomy, Floats, chest_wall, of_side
from sightline.data.phantoms.body import ARMPIT, trunk_half
from sightline.data.phantoms.projection import Band, Projection, draw_bands

_RIBS = 10
_QUARTER = np.linspace(0, np.pi / 2, 22)


def _rib_side(anatomy: Anatomy, side: int, index: int) -> tuple[Floats, Floats]:
    """Posterior and anterior part of one rib, each `(P, 2)` in patient coordinates; they meet at the chest wall."""
    head = of_side(anatomy.apex, side) - 0.005 + anatomy.rib_pitch * index * (1 + 0.012 * index)
    descent = (0.065 + 0.013 * index) * anatomy.rib_slope
    meeting = head + descent
    lateral = float(chest_wall(anatomy, side, np.array(meeting))) + 0.008
    lateral = max(lateral, 0.12 + 0.05 * min(index, 2))
    start = 0.035
    rear_out = start + (lateral - start) * np.sin(_QUARTER)
    rear_down = head - 0.018 * np.sin(2 * _QUARTER) * (1 + 0.05 * index) + descent * (1 - np.cos(_QUARTER)) ** 1.15
    end = 0.1 + 0.017 * index
    fall = (0.085 + 0.013 * index) * anatomy.rib_slope
    front_out = lateral - (lateral - end) * (1 - np.cos(_QUARTER))
    front_down = meeting + fall * np.sin(_QUARTER) ** 0.9
    return (
        np.stack([side * rear_out, rear_down], axis=-1),
        np.stack([side * front_out, front_down], axis=-1),
    )


def _ribs(anatomy: Anatomy, projection: Projection) -> Floats:
    rear, front = [], []
    for side in (RIGHT, LEFT):
        for index in range(_RIBS):
            back, fore = _rib_side(anatomy, side, index)
            width = 0.0105 + 0.0007 * min(index, 6)
            taper = 1 - 0.15 * np.cos(2 * _QUARTER)
            rear.append(Band(back, width * taper, inside=105, rim=190))
            if 0 < index < 8:
                front.append(Band(fore, width * 1.12 * (1 + 0.25 * _QUARTER / 1.6), inside=80, rim=135))
    u, v = projection.coordinates()
    bone: Floats = draw_bands(rear, projection) + draw_bands(front, projection) * _front_fade(anatomy, u)
    # below the diaphragm the lower ribs drown in scatter
    return 1.5 * bone * (1 - 0.45 * np.clip((v - max(anatomy.dome)) / 0.15, 0, 1))


def _front_fade(anatomy: Anatomy, u: Floats) -> Floats:
    """Anterior ribs turn into cartilage, which does not show, towards the sternum."""
    fade: Floats = np.clip((np.abs(u) / max(anatomy.width) - 0.3) / 0.3, 0, 1)
    return fade


def _girdle(anatomy: Anatomy, projection: Projection) -> Floats:
    """Clavicles, shoulder blades and upper arms."""
    clavicles, blades, arms = [], [], []
    t = np.linspace(0, 1, 24)
    for side in (RIGHT, LEFT):
        inner = of_side(anatomy.apex, side) + 0.05
        out = 0.028 + 0.385 * t
        bend = 0.018 * np.sin(2 * np.pi * t) - anatomy.clavicle_tilt * t**0.9
        width = 0.0115 + 0.006 * (1 - t) ** 3 + 0.003 * t**3
        clavicles.append(Band(np.stack([side * out, inner + bend], axis=-1), width, inside=120, rim=205))
        top = anatomy.shoulder + 0.05
        border = np.stack([side * (0.405 - 0.05 * np.sin(np.pi * t * 0.6) - 0.01 * t), top + 0.03 + 0.28 * t], axis=-1)
        blades.append(Band(border, 0.008 + 0.004 * (1 - t), inside=70, rim=110))
        spine = np.stack([side * (0.31 + 0.13 * t), top + 0.065 - 0.05 * t], axis=-1)
        blades.append(Band(spine, 0.009 + 0.004 * t, inside=55, rim=95))
        elbow = (
            float(trunk_half(anatomy, np.array(0.8))) + 0.065 + anatomy.abduction * (0.8 - anatomy.shoulder - ARMPIT)
        )
        shaft = np.stack([side * (0.465 + (elbow - 0.465) * t), top + 0.03 + (0.77 - top) * t], axis=-1)
        arms.append(Band(shaft, 0.024 + 0.014 * np.exp(-((t / 0.08) ** 2)), inside=95, rim=165))
    head = np.zeros((projection.side, projection.side))
    u, v = projection.coordinates()
    for side in (RIGHT, LEFT):
        far = np.hypot((side * u - 0.455) / 0.045, (v - anatomy.shoulder - 0.085) / 0.05)
        head += np.sqrt(np.clip(1 - far**2, 0, None))
    level: Floats = 2.1 * draw_bands(clavicles, projection) + 1.6 * draw_bands(blades, projection)
    return level + 2.6 * draw_bands(arms, projection, rim_width=0.006) + 1.6 * head


def _spine(anatomy: Anatomy, u: Floats, v: Floats) -> Floats:
    """Vertebral bodies with discs between, pedicles, spinous processes."""
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
    near = _columns(u, 0.09)
    bone[:, near] += _spine(anatomy, u[:, near], v[:, near])
    smooth: Floats = ndimage.gaussian_filter(bone, 0.0016 * projection.side)
    return smooth


def _columns(u: Floats, reach: float) -> slice:
    """The columns of the film that come within `reach` of the midline."""
    near = np.flatnonzero((np.abs(u) < reach).any(axis=0))
    return slice(int(near[0]), int(near[-1]) + 1)


def airway_cm(u: Floats, v: Floats) -> Floats:
    """Air in the trachea and main bronchi along each ray, in centimetres."""
    near = _columns(u, 0.14)
    air = np.zeros_like(u)
    air[:, near] = _airway(u[:, near], v[:, near])
    return air


def _airway(u: Floats, v: Floats) -> Floats:
    fork = 0.385
    trachea = np.sqrt(np.clip(1 - ((u + 0.004) / 0.021) ** 2, 0, None)) * np.clip((fork + 0.012 - v) / 0.02, 0, 1)
    air = 2.6 * trachea
    for side, slope, length in ((RIGHT, 1.15, 0.1), (LEFT, 0.75, 0.13)):
        cos, sin = slope / np.hypot(1, slope), 1 / np.hypot(1, slope)  # `slope`: down over out
        along = np.clip(side * u * sin + (v - fork) * cos, 0, length)
        aside = np.hypot(side * u - along * sin, v - fork - along * cos)
        tube = np.sqrt(np.clip(1 - (aside / 0.015) ** 2, 0, None))
        air = np.maximum(air, 1.8 * tube * (1 - along / length))
    return air
