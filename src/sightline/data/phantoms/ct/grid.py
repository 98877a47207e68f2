"""The voxels of a scan in the patient, and what is painted on them.

Patient coordinates are millimetres: `x` from the midline to the patient's left, `y` from the middle of the chest to the
back, `z` from the top of the lungs down. Slices run from head to feet, rows from front to back, columns from right to
left, as `sightline.data.readers.read_volume` gives them.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Single = NDArray[np.float32]
Box = tuple[slice, slice, slice]
Point = tuple[float, float, float]
ABOVE_MM, BELOW_MM = 24.0, 300.0  # what is scanned, from the top of the lungs


@dataclass(frozen=True)
class Grid:
    """The voxels of a scan.

    Attributes:
        size: rows and columns.
        field_mm: width of the square that a slice shows.
        slice_mm: distance from slice to slice.
        shift_mm: where the middle of the slices lies in the patient, (y, x).
    """

    size: int
    field_mm: float
    slice_mm: float
    shift_mm: tuple[float, float] = (0.0, 0.0)

    @property
    def pixel_mm(self) -> float:
        """Distance from pixel to pixel."""
        return self.field_mm / self.size

    @property
    def spacing_mm(self) -> Point:
        """Distance between slices, rows and columns."""
        return self.slice_mm, self.pixel_mm, self.pixel_mm

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        return round((ABOVE_MM + BELOW_MM) / self.slice_mm), self.size, self.size

    @property
    def origin(self) -> Point:
        """Patient coordinates (z, y, x) of the first voxel's centre."""
        half = 0.5 * (self.size - 1) * self.pixel_mm
        return 0.5 * self.slice_mm - ABOVE_MM, self.shift_mm[0] - half, self.shift_mm[1] - half

    @cached_property
    def axes(self) -> tuple[Single, Single, Single]:
        """Coordinates z `(D, 1, 1)`, y `(H, 1)` and x `(W,)`."""
        z, y, x = (
            (start + step * np.arange(count)).astype(np.float32)
            for start, step, count in zip(self.origin, self.spacing_mm, self.shape, strict=True)
        )
        return z[:, None, None], y[:, None], x

    @property
    def affine(self) -> NDArray[np.float64]:
        """Maps (column, row, slice, 1) to mm that lead to the patient's right, front and head, as NIfTI has it."""
        matrix = np.diag([-self.pixel_mm, -self.pixel_mm, -self.slice_mm, 1.0])
        matrix[:3, 3] = [-start for start in self.origin[::-1]]
        return matrix

    def box(self, low: Point, high: Point) -> Box:
        """The voxels between two corners (z, y, x)."""
        ends = zip(low, high, self.origin, self.spacing_mm, self.shape, strict=True)
        first, second, third = (
            slice(max(math.floor((a - start) / step), 0), max(min(math.ceil((b - start) / step) + 1, count), 0))
            for a, b, start, step, count in ends
        )
        return first, second, third

    def at(self, box: Box) -> tuple[Single, Single, Single]:
        """Coordinates as `axes` of some voxels."""
        z, y, x = self.axes
        return z[box[0]], y[box[1]], x[box[2]]

    def cover(self, outside: Single) -> Single:
        """Share of each voxel that is inside, given how many millimetres it lies outside."""
        share: Single = np.clip(0.5 - outside / np.float32(self.pixel_mm), 0, 1)
        return share


def everything(grid: Grid) -> Box:
    """All voxels."""
    depth, height, width = grid.shape
    return slice(0, depth), slice(0, height), slice(0, width)


@dataclass(frozen=True, eq=False)
class Canvas:
    """What is painted: values and organ labels.

    Attributes:
        grid: the voxels.
        values: HU, `(D, H, W)`.
        labels: number of the organ, 0 for none, `(D, H, W)`.
    """

    grid: Grid
    values: Single
    labels: NDArray[np.uint8]

    def paint(self, outside: Single, value: Single | float, label: int = 0, box: Box | None = None) -> None:
        """Paint a body over what is there.

        Args:
            outside: how many millimetres each voxel lies outside of it, of any shape that goes with that of the box.
            value: its HU.
            label: its organ, 0 to leave the labels as they are.
            box: the voxels that `outside` is of; all by default.
        """
        box = everything(self.grid) if box is None else box
        values = self.values[box]
        values += self.grid.cover(outside) * (np.asarray(value, np.float32) - values)
        if label:
            self.labels[box][np.broadcast_to(outside < 0, values.shape)] = label

    def add(self, more: Single) -> None:
        """Add HU to every voxel."""
        np.add(self.values, more, out=self.values)


def ball(z: Single, y: Single, x: Single, middle: Point, radii: Point) -> Single:
    """How many millimetres outside an ellipsoid with upright axes, roughly."""
    terms = (((a - m) / r) ** 2 for a, m, r in zip((z, y, x), middle, radii, strict=True))
    far: Single = (np.sqrt(sum(terms)) - 1) * np.float32(min(radii))
    return far


def tube(z: Single, y: Single, x: Single, ends: tuple[Point, Point], radii: tuple[float, float]) -> Single:
    """How many millimetres outside a straight tube with round ends, whose radius goes from one to the other."""
    (z0, y0, x0), (z1, y1, x1) = ends
    dz, dy, dx = z1 - z0, y1 - y0, x1 - x0
    length = max(dz * dz + dy * dy + dx * dx, 1e-6)
    along = np.clip(((z - z0) * dz + (y - y0) * dy + (x - x0) * dx) / length, 0, 1)
    far = (z - z0 - along * dz) ** 2 + (y - y0 - along * dy) ** 2 + (x - x0 - along * dx) ** 2
    outside: Single = np.sqrt(far) - (radii[0] + along * (radii[1] - radii[0]))
    return outside
