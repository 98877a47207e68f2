"""One patient's chest: the drawn parameters, and the outlines of lungs, heart and diaphragm that follow from them.

Patient coordinates are shares of the side of the film: `u` runs from the midline (0) to the patient's left (image
right), `v` from the top (0) to the bottom (1). "Lateral distance" is `side * u`, positive on the side meant.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

RIGHT, LEFT = -1, 1  # the patient's right lies on the left of the image

# Borders of the mediastinum and heart, (v, lateral distance), in an average adult on a postero-anterior film.
_RIGHT_BORDER = (
    (0.0, 0.05),
    (0.2, 0.044),
    (0.32, 0.05),
    (0.43, 0.055),
    (0.5, 0.075),
    (0.57, 0.104),
    (0.64, 0.113),
    (0.7, 0.104),
    (0.8, 0.07),
)
_LEFT_BORDER = (
    (0.0, 0.05),
    (0.2, 0.046),
    (0.3, 0.055),
    (0.42, 0.068),
    (0.5, 0.1),
    (0.56, 0.155),
    (0.62, 0.204),
    (0.68, 0.232),
    (0.8, 0.236),
)
_LEVELS = np.linspace(-0.2, 1.2, 561)  # v of the tabulated borders
HEART_TOP = 0.4  # level below which an enlarged heart bulges


@dataclass(frozen=True)
class Anatomy:
    """What distinguishes one patient from another; pairs are (right, left), lengths are shares of the film's side.

    Attributes:
        apex: level of the lung apices.
        width: lateral distance of the chest wall inside, at its widest.
        dome: level of the diaphragm's domes.
        angle: how far the costophrenic angles lie below the domes.
        heart: scale of the heart's width.
        knob: how far the aortic knob bulges.
        body: half width of the trunk outside the lungs, beyond `width`.
        depth_cm: antero-posterior thickness of the trunk.
        breast: size of the breast shadows, 0 for none.
        shoulder: level of the shoulders' top.
        abduction: tangent of the angle between arms and trunk.
        rib_pitch: vertical distance from rib to rib.
        rib_slope: scale of the ribs' descent.
        clavicle_tilt: how much the clavicles rise outwards.
        vertebra: height of a vertebra with its disc.
        wobble: amplitudes and phases of the small irregularities of the outlines, four each.
        stomach: centre (lateral distance, level below the dome), half width and height of the gas; 0s for none.
        enlargement: how far an enlarged heart reaches beyond its healthy borders, right and left.
    """

    apex: tuple[float, float]
    width: tuple[float, float]
    dome: tuple[float, float]
    angle: tuple[float, float]
    heart: float
    knob: float
    body: float
    depth_cm: float
    breast: float
    shoulder: float
    abduction: float
    rib_pitch: float
    rib_slope: float
    clavicle_tilt: float
    vertebra: float
    wobble: tuple[tuple[float, ...], tuple[float, ...]]
    stomach: tuple[float, float, float, float]
    enlargement: tuple[float, float] = (0.0, 0.0)


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw the parameters of one patient.

    Args:
        rng: generator that is advanced.
    """
    uniform, normal = rng.uniform, rng.normal
    apex = 0.175 + np.clip(normal(0, 0.012), -0.03, 0.03)
    width = uniform(0.315, 0.365)
    dome = uniform(0.68, 0.76)
    stomach = (uniform(0.12, 0.2), uniform(0.045, 0.075), uniform(0.03, 0.075), uniform(0.015, 0.035))
    return Anatomy(
        apex=(float(apex), float(apex + uniform(-0.008, 0.008))),
        width=(float(width + uniform(-0.01, 0.01)), float(width + uniform(-0.012, 0.006))),
        dome=(float(dome), float(dome + uniform(0.005, 0.035))),
        angle=(float(uniform(0.08, 0.13)), float(uniform(0.08, 0.13))),
        heart=float(np.clip(normal(1.0, 0.09), 0.8, 1.2)),
        knob=float(uniform(0.014, 0.032)),
        body=float(uniform(0.035, 0.075)),
        depth_cm=float(uniform(19.0, 25.0)),
        breast=float(uniform(0.7, 1.3) * (rng.random() < 0.45)),
        shoulder=float(uniform(0.11, 0.17)),
        abduction=float(uniform(0.12, 0.6)),
        rib_pitch=float(uniform(0.058, 0.066)),
        rib_slope=float(uniform(0.85, 1.25)),
        clavicle_tilt=float(uniform(0.01, 0.09)),
        vertebra=float(uniform(0.05, 0.058)),
        wobble=(tuple(normal(0, 0.002, 4) / np.arange(1, 5) ** 0.5), tuple(uniform(0, 2 * np.pi, 4))),
        stomach=stomach if rng.random() < 0.75 else (0.0, 0.0, 0.0, 0.0),
    )


def of_side(pair: tuple[float, float], side: int) -> float:
    """The member of a (right, left) pair that belongs to `side`."""
    return pair[0] if side == RIGHT else pair[1]


def round_cap(t: Floats, power: float = 2.0) -> Floats:
    """Quarter of an ellipse, rising steeply from 0 at t = 0 and level at t = 1."""
    capped: Floats = (1 - (1 - np.clip(t, 0, 1)) ** power) ** (1 / power)
    return capped


def chest_wall(anatomy: Anatomy, side: int, v: Floats) -> Floats:
    """Lateral distance of the inner chest wall at level `v`; at and above the apex, that of the apex."""
    return _at(v, _wall_table(side, of_side(anatomy.apex, side), of_side(anatomy.width, side), anatomy.wobble))


@lru_cache(maxsize=16)
def _wall_table(side: int, top: float, width: float, wobble: tuple[tuple[float, ...], tuple[float, ...]]) -> Floats:
    middle = 0.4 * width
    waves = zip(range(1, 5), *wobble, strict=True)
    ripple = sum(size * np.sin(9 * k * _LEVELS + phase + side) for k, size, phase in waves)
    wall: Floats = middle + (width - middle) * round_cap((_LEVELS - top) / (0.62 - top), 2.15)
    return wall + ripple * (top < _LEVELS)


def silhouette(anatomy: Anatomy, side: int, v: Floats) -> Floats:
    """Lateral distance of the border of the healthy heart and the great vessels at level `v`."""
    return _at(v, _border_table(side, of_side(anatomy.dome, side), anatomy.heart, anatomy.knob))


@lru_cache(maxsize=16)
def _border_table(side: int, dome: float, heart: float, knob: float) -> Floats:
    table = np.array(_RIGHT_BORDER if side == RIGHT else _LEFT_BORDER)
    lengthen = (dome - 0.72) * np.clip((table[:, 0] - 0.4) / 0.3, 0, 1)
    scale = 1 + (heart - 1) * np.clip((table[:, 0] - 0.35) / 0.2, 0, 1)
    border: Floats = np.interp(_LEVELS, table[:, 0] + lengthen, table[:, 1] * scale)
    border = ndimage.gaussian_filter1d(border, 9, mode="nearest")
    if side == LEFT:  # the aortic knob, and below it the pulmonary trunk
        for level, size, height in ((0.335, knob, 0.05), (0.445, 0.011, 0.05)):
            border = border + size * np.cos(np.pi / 2 * np.clip((_LEVELS - level) / height, -1, 1)) ** 1.5
    return border


def bulge(anatomy: Anatomy, side: int, v: Floats) -> Floats:
    """How far an enlarged heart reaches beyond the healthy silhouette at level `v`; 0 above `HEART_TOP`."""
    rise = np.clip((_LEVELS - HEART_TOP) / 0.2, 0, 1)
    return _at(v, of_side(anatomy.enlargement, side) * rise**2 * (3 - 2 * rise))


def _at(v: Floats, table: Floats) -> Floats:
    """Look up a table over `_LEVELS`, in the precision of `v`."""
    return np.interp(v, _LEVELS, table).astype(v.dtype, copy=False)


def diaphragm(anatomy: Anatomy, side: int, lateral: Floats) -> Floats:
    """Level of the dome at a lateral distance: highest near the middle, lowest in the costophrenic angle."""
    width, top = of_side(anatomy.width, side), of_side(anatomy.dome, side)
    summit = 0.47 * width
    outward = np.clip((lateral - summit) / (width - summit), 0, 1.2)
    inward = np.clip((summit - lateral) / summit, 0, 2)
    level: Floats = top + of_side(anatomy.angle, side) * outward**2 * np.sqrt(outward) + 0.03 * inward**2
    return level


@dataclass(frozen=True)
class Outline:
    """The borders of one lung field at each point of a film.

    Coordinates may be given as a column of levels and a row of distances; what depends on one of them alone then costs
    next to nothing.

    Attributes:
        side: `RIGHT` or `LEFT`.
        lateral: lateral distances of the points.
        v: their levels.
        wall: lateral distance of the chest wall.
        border: lateral distance of heart and mediastinum.
        floor: level of the diaphragm.
    """

    side: int
    lateral: Floats
    v: Floats
    wall: Floats
    border: Floats
    floor: Floats

    def window(self, rows: slice, columns: slice) -> "Outline":
        """The outline on some rows and columns, where it was made of a column of levels and a row of distances."""
        lateral, floor = self.lateral[:, columns], self.floor[:, columns]
        return Outline(self.side, lateral, self.v[rows], self.wall[rows], self.border[rows], floor)


def outline(anatomy: Anatomy, side: int, u: Floats, v: Floats) -> Outline:
    """Outline one lung of a patient.

    Args:
        anatomy: the patient.
        side: `RIGHT` or `LEFT`.
        u: patient coordinates, of any shape that goes with that of `v`.
        v: as `u`.
    """
    lateral, border = side * u, silhouette(anatomy, side, v)
    if of_side(anatomy.enlargement, side):
        border = border + bulge(anatomy, side, v)
    return Outline(side, lateral, v, chest_wall(anatomy, side, v), border, diaphragm(anatomy, side, lateral))


def lung(anatomy: Anatomy, side: int, u: Floats, v: Floats) -> Bools:
    """The lung field of one side: see `lung_field`; `u` and `v` as in `outline`."""
    return lung_field(anatomy, outline(anatomy, side, u, v))


def lung_field(anatomy: Anatomy, lines: Outline) -> Bools:
    """The lung field of one side: inside the chest wall, outside heart and mediastinum, above the diaphragm.

    It is the anatomical field as readers outline it on a postero-anterior film, down into the costophrenic angle; lung
    hidden behind the heart or below the dome's edge is not part of it.
    """
    lateral, v, top = lines.lateral, lines.v, of_side(anatomy.apex, lines.side)
    middle = 0.4 * of_side(anatomy.width, lines.side)
    medial = middle - (middle - lines.border) * round_cap((v - top) / 0.13)
    inside: Bools = (v > top) & (lateral > np.maximum(medial, lines.border)) & (lateral < lines.wall)
    return inside & (v < lines.floor)


def air_cm(anatomy: Anatomy, u: Floats, v: Floats) -> Floats:
    """Centimetres of aerated lung along the ray through each point, the parts behind heart and diaphragm included."""
    total = np.zeros_like(u)
    for side in (RIGHT, LEFT):
        total += lung_cm(anatomy, outline(anatomy, side, u, v))
    return total


def lung_cm(anatomy: Anatomy, lines: Outline) -> Floats:
    """As `air_cm`, of one lung."""
    lateral, v, wall, border = lines.lateral, lines.v, lines.wall, lines.border
    top = of_side(anatomy.apex, lines.side)
    middle = 0.4 * of_side(anatomy.width, lines.side)
    edge = middle - (middle - 0.02) * round_cap((v - top) / 0.13)
    outward = round_cap((wall - lateral) / np.maximum(0.75 * (wall - edge), 1e-6))
    inward = round_cap((lateral - edge) / 0.1)
    upward = 0.35 + 0.65 * round_cap((v - top) / 0.3)
    # soft tissue in front: nothing outside the silhouette, most of the chest inside it, the border itself crisp
    heart = np.sqrt(np.clip((border - lateral) / np.maximum(border, 1e-6), 0, 1))
    solid = 0.28 + 0.12 * np.clip((v - 0.4) / 0.2, 0, 1)
    below = np.clip((v - lines.floor) / 0.14, 0, 1)
    recess = np.where(below > 0, 0.32 * (1 - below) ** 2, 1.0)  # lung behind the dome
    behind = np.where(lateral < border, 1 - np.clip(solid + 0.55 * heart, 0, 1), 1.0)
    air: Floats = 0.72 * anatomy.depth_cm * outward * inward * upward * behind * recess * (v > top) * (lateral < wall)
    return air
