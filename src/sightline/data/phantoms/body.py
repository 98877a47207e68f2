"""The soft tissue around the lungs in centimetres along the ray: trunk, neck, shoulders, arms, breasts, stomach gas."""

import numpy as np
from scipy import ndimage

from sightline.data.phantoms.anatomy import Anatomy, Floats, round_cap

ARMPIT = 0.27  # how far below the shoulders' top
_ASIDE = np.linspace(0, 0.7, 281)  # lateral distances of the tabulated shoulder line
_LINE = ((0.0, 0.1, 0.16, 0.3, 0.4, 0.47, 0.53, 0.58), (-0.3, -0.12, -0.055, -0.01, 0.015, 0.05, 0.12, 0.3))
_DROOP = ndimage.gaussian_filter1d(np.interp(_ASIDE, *_LINE), 8, mode="nearest")


def body_cm(anatomy: Anatomy, u: Floats, v: Floats) -> Floats:
    """Centimetres of body along the ray through each point, as if there were no air and no bone in it."""
    aside = np.abs(u)
    half = trunk_half(anatomy, v)
    height = 0.66 + 0.34 * np.clip((v - 0.15) / 0.5, 0, 1) + 0.1 * round_cap((v - 0.68) / 0.3)
    trunk = anatomy.depth_cm * height * _half_disc(aside / half, 2.6) * round_cap((v - 0.06) / 0.25)
    neck = 11.5 * _half_disc(aside / (0.115 + 0.6 * np.clip(v, 0, None) ** 1.8), 2.2)
    breast = np.hypot((aside - 0.2) / 0.17, (v - 0.6) / 0.17) / max(anatomy.breast, 1e-3)
    fold = 2.6 * anatomy.breast * np.clip((v - 0.46) / 0.28, 0, 1) * _half_disc(breast, 2.0)
    thick: Floats = np.maximum.reduce([trunk + fold, neck, _shoulders_cm(anatomy, aside, v, half)])
    return thick


def trunk_half(anatomy: Anatomy, v: Floats) -> Floats:
    """Half the width of the trunk at level `v`."""
    half: Floats = max(anatomy.width) + anatomy.body + 0.03 * np.clip((v - 0.7) / 0.3, 0, 1)
    return half


def _shoulders_cm(anatomy: Anatomy, aside: Floats, v: Floats, half: Floats) -> Floats:
    """Shoulders and upper arms: below a sloping line, with the wedge of the armpit left out."""
    droop = np.interp(aside, _ASIDE, _DROOP)
    fall = anatomy.shoulder + droop.astype(aside.dtype, copy=False)
    pit = anatomy.shoulder + ARMPIT
    outside = aside - half - (v - pit) * anatomy.abduction  # beyond the wedge's outer side
    arm = round_cap((outside + 0.25 * np.clip((pit + 0.03 - v) / 0.1, 0, 1) ** 2) / 0.07)
    muscle = np.clip((pit + 0.06 - v) / 0.2, 0, 1)  # runs out on the chest wall
    within = np.where(aside < half, muscle, arm)
    thick: Floats = 11.5 * round_cap((v - fall) / 0.2) * within
    return thick


def gas_cm(anatomy: Anatomy, u: Floats, v: Floats) -> Floats:
    """Centimetres of gas under the left dome, over a level of fluid as the patient stands."""
    out, below, wide, high = anatomy.stomach
    if not wide:
        return np.zeros_like(u + v)
    centre = anatomy.dome[1] + below
    gas: Floats = 6.0 * _half_disc(np.hypot((u - out) / wide, (v - centre) / high), 2.0)
    gas *= np.clip((centre + 0.35 * high - v) / 0.006, 0, 1)
    return gas


def _half_disc(x: Floats, power: float) -> Floats:
    """1 at x = 0, falling to 0 at |x| = 1 with an upright edge."""
    value: Floats = np.sqrt(np.clip(1 - np.abs(x) ** power, 0, None))
    return value
