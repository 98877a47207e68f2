"""The augmentation of volumes: flips and quarter turns, alike for a volume and its regions, exact on any grid."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from sightline.errors import SettingsError, ShapeError


@dataclass(frozen=True)
class VolumeAugmentation:
    """How training volumes are moved at random.

    Attributes:
        flip: chance of a flip along one axis, each of the three as likely.
        rotate: chance of a rotation by a quarter, a half or three quarters of a turn about the axis from head to feet.

    Reference:
        Draelos and Carin 2020, arXiv:2011.08891, 12.
    """

    flip: float = 0.5
    rotate: float = 0.5

    def __post_init__(self) -> None:
        for name, chance in (("flip", self.flip), ("rotate", self.rotate)):
            if not 0 <= chance <= 1:
                raise SettingsError(f"{name} must be a chance in [0, 1], got {chance}")


@dataclass(frozen=True)
class VolumeMotion:
    """One motion of a volume: a flip, then a rotation.

    Attributes:
        flip: axis that is turned around: 0 head to feet, 1 front to back, 2 right to left; None for no flip.
        quarters: quarter turns in the plane of the slices, rows towards columns.
    """

    flip: int | None = None
    quarters: int = 0

    def apply(self, maps: Tensor) -> Tensor:
        """Move maps `(*, D, H, W)`; volume and regions move alike, each on its own grid.

        Raises:
            ShapeError: slices are not square, so that a quarter turn would change their shape.
        """
        if self.quarters % 2 and maps.shape[-1] != maps.shape[-2]:
            raise ShapeError(f"a quarter turn needs square slices, got {tuple(maps.shape[-3:])}; set rotate to 0")
        if self.flip is not None:
            maps = maps.flip(self.flip - 3)
        return maps.rot90(self.quarters, dims=(-2, -1))


def draw_motion(augmentation: VolumeAugmentation, generator: np.random.Generator) -> VolumeMotion:
    """Draw one motion."""
    flips, rotates = generator.random(2) < (augmentation.flip, augmentation.rotate)
    axis, quarters = int(generator.integers(3)), int(generator.integers(1, 4))
    return VolumeMotion(axis if flips else None, quarters if rotates else 0)
