"""The papers' augmentation: shift, rotation and flip, alike for images, regions, boxes and points such as gaze.

A random step is a draw (`draw_affine`) plus a plain function of what was drawn (`affine_matrices` and `warp` for
pixels, `move_points`, `move_boxes`). A motion is one of the square that the model sees: an image of other proportions
moves as if it were squashed to a square, moved, and stretched back.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sightline.errors import SettingsError, ShapeError

Floats = NDArray[np.float64]


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

    @property
    def turn(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The matrix (orthogonal) that takes places in the output, before the shift, to places in the input."""
        angle = math.radians(self.angle_degrees)
        side = -1.0 if self.flip else 1.0
        return (side * math.cos(angle), -side * math.sin(angle)), (math.sin(angle), math.cos(angle))


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
        across, along = affine.turn
        right, down = 2 * affine.shift[0], 2 * affine.shift[1]
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
        maps: `(N, C, S, S)` or `(N, C, D, S, S)` float; the slices of a volume all move alike in their plane.
        matrices: `(N, 2, 3)` from `affine_matrices`.
        nearest: take the nearest pixel (regions) instead of the bilinear mean (images).

    Returns:
        Shaped as `maps`.

    Raises:
        ShapeError: the maps are not square, so that a rotation would shear them.
    """
    if maps.ndim not in (4, 5) or maps.shape[-2] != maps.shape[-1]:
        raise ShapeError(f"maps must be (N, C, S, S) or (N, C, D, S, S), got {tuple(maps.shape)}")
    flat = maps.flatten(1, -3)
    grid = F.affine_grid(matrices.to(maps), list(flat.shape), align_corners=False)
    moved = F.grid_sample(
        flat, grid, mode="nearest" if nearest else "bilinear", padding_mode="zeros", align_corners=False
    )
    return moved.reshape(maps.shape)


def move_points(points: NDArray[np.number], affine: Affine, size: tuple[int, int]) -> Floats:
    r"""Move points along with the image that they lie on.

    With the place $p$ in $[-1, 1]^2$, the matrix $A$ from places in the output to places in the input, and the shift
    $s$ in shares of the side,

    $$p \mapsto A^{-1} p + 2 s, \quad A^{-1} = A^\top$$

    Args:
        points: `(..., 2)`, x and y in pixels from the upper left corner of the image; the middle of its first pixel is
            (0.5, 0.5). NaN, such as gaze that was lost, stays NaN.
        affine: the motion.
        size: height and width of the image, pixels.

    Returns:
        Shaped as `points`; what leaves the image is outside it, not cut off.

    Raises:
        ShapeError: the last axis is not x and y.
    """
    if points.ndim < 1 or points.shape[-1] != 2:
        raise ShapeError(f"points must be (..., 2), x and y, got {points.shape}")
    sides = np.asarray(size[::-1], np.float64)
    centred = 2 * points / sides - 1
    moved: Floats = (centred @ np.asarray(affine.turn) + 2 * np.asarray(affine.shift) + 1) / 2 * sides
    return moved


def move_boxes(boxes: NDArray[np.number], affine: Affine, size: tuple[int, int]) -> Floats:
    """Move boxes along with the image that they lie on, each to the smallest upright box that holds its moved corners.

    After a rotation such a box is larger than what was in it; after flips, shifts and quarter turns of a square it is
    exact.

    Args:
        boxes: `(..., 4)`: left, top, width and height, pixels, as in `sightline.regions.boxes`.
        affine: the motion.
        size: height and width of the image, pixels.

    Returns:
        Shaped as `boxes`; what leaves the image is not cut off.

    Raises:
        ShapeError: the last axis is not those four.
    """
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise ShapeError(f"boxes must be (..., 4), left, top, width and height, got {boxes.shape}")
    origin, extent = boxes[..., None, :2], boxes[..., None, 2:]
    corners = move_points(origin + extent * np.asarray([[0, 0], [1, 0], [0, 1], [1, 1]]), affine, size)  # (..., 4, 2)
    least = corners.min(axis=-2)
    return np.concatenate([least, corners.max(axis=-2) - least], axis=-1)
