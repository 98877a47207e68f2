"""The papers' augmentation: shift, rotation and flip, alike for image and region.

A random step is a draw (`draw_affine`) plus a plain function of what was drawn (`affine_matrices`, `warp`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.errors import SettingsError, ShapeError


@dataclass(frozen=True)
class Augmentation:
    """How far training images are moved at random.

    Attributes:
        translate: largest shift up, down, left and right, share of the side (the papers: 28 of 224 pixels).
        rotate_degrees: largest rotation to either side, degrees.
        flip: chance of a left-right flip.

    Reference:
        Bassi et al. 2024 (ISNet), 4.10. The paper does not say which way it flips.
    """

    translate: float = 0.125
    rotate_degrees: float = 40.0
    flip: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.translate <= 1:
            raise SettingsError(f"translate must be a share of the side in [0, 1], got {self.translate}")
        if not 0 <= self.rotate_degrees <= 180:
            raise SettingsError(f"rotate_degrees must lie in [0, 180], got {self.rotate_degrees}")
        if not 0 <= self.flip <= 1:
            raise SettingsError(f"flip must be a chance in [0, 1], got {self.flip}")


@dataclass(frozen=True)
class Affine:
    """One motion of an image: a flip, then a rotation about its centre, then a shift.

    Attributes:
        angle_degrees: rotation, counter-clockwise as seen, degrees.
        shift: shift to the right and down, shares of the side.
        flip: whether left and right change places first.
    """

    angle_degrees: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    flip: bool = False


def draw_affine(augmentation: Augmentation, generator: np.random.Generator) -> Affine:
    """Draw one motion, uniform in angle and in each direction of the shift."""
    angle, right, down = generator.uniform(-1, 1, size=3)
    return Affine(
        angle_degrees=angle * augmentation.rotate_degrees,
        shift=(right * augmentation.translate, down * augmentation.translate),
        flip=bool(generator.random() < augmentation.flip),
    )


def affine_matrices(affines: Sequence[Affine]) -> Tensor:
    """Return what `affine_grid` needs for these motions: the maps from places in the output to places in the input.

    Returns:
        `(N, 2, 3)` float32, in coordinates that run from -1 to 1 across the image.
    """
    rows = []
    for affine in affines:
        angle = math.radians(affine.angle_degrees)
        side = -1.0 if affine.flip else 1.0
        cos, sin = math.cos(angle), math.sin(angle)
        right, down = 2 * affine.shift[0], 2 * affine.shift[1]
        across = (side * cos, -side * sin)
        along = (sin, cos)
        rows.append(
            [
                [*across, -across[0] * right - across[1] * down],
                [*along, -along[0] * right - along[1] * down],
            ]
        )
    return torch.tensor(rows)  # (N, 2, 3)


def warp(maps: Tensor, matrices: Tensor, *, nearest: bool = False) -> Tensor:
    """Move square maps; what comes in from outside is 0.

    Args:
        maps: `(N, C, S, S)` float.
        matrices: `(N, 2, 3)` from `affine_matrices`.
        nearest: take the nearest pixel (regions) instead of the bilinear mean (images).

    Returns:
        `(N, C, S, S)`.

    Raises:
        ShapeError: the maps are not square, so that a rotation would shear them.
    """
    if maps.ndim != 4 or maps.shape[2] != maps.shape[3]:
        raise ShapeError(f"maps must be (N, C, S, S), got {tuple(maps.shape)}")
    grid = F.affine_grid(matrices.to(maps), list(maps.shape), align_corners=False)
    return F.grid_sample(
        maps, grid, mode="nearest" if nearest else "bilinear", padding_mode="zeros", align_corners=False
    )
