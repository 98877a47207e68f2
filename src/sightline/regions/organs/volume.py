"""What all steps ask of a volume, and the sizes of its voxels."""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError, ShapeError

Numbers: TypeAlias = NDArray[np.integer[Any]] | NDArray[np.floating[Any]]
Spacing: TypeAlias = tuple[float, float, float]


def check_spacing(spacing_mm: Spacing) -> Spacing:
    """Return the distances between slices, rows and columns as three numbers.

    Raises:
        DataError: they are not three finite numbers above 0.
    """
    found = tuple(float(step) for step in spacing_mm)
    if len(found) != 3 or not all(math.isfinite(step) and step > 0 for step in found):
        raise DataError(f"spacing_mm must be three distances above 0 (slices, rows, columns), got {spacing_mm}")
    return found


def check_volume(values: NDArray[Any], name: str) -> None:
    """Check that a volume is one.

    Raises:
        ShapeError: it is not `(D, H, W)` with at least one voxel.
        DataError: it holds no numbers, or NaN or infinity.
    """
    if values.ndim != 3 or not values.size:
        raise ShapeError(f"{name} must be (D, H, W) with at least one voxel, got {values.shape}")
    if values.dtype.kind not in "iuf":
        raise DataError(f"{name} must be numbers, got {values.dtype}")
    if values.dtype.kind == "f" and (bad := sum(int((~np.isfinite(section)).sum()) for section in values)):
        raise DataError(f"{name}: {bad} of {values.size} voxels are NaN or infinite; set them to air or mend the file")


def voxel_mm3(spacing_mm: Spacing) -> float:
    """Volume of a voxel, mm^3."""
    return math.prod(spacing_mm)
