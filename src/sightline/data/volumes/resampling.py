r"""Resampling to a given spacing.

A volume of $n$ voxels $s$ mm apart becomes one of $\mathrm{round}(n s / t)$ voxels $t$ mm apart over the same field of
view, centre on centre. The affine says so exactly, so nothing moves in the patient.

Interpolating splines of a grid are products of one along each axis. So the weights of each axis are asked of SimpleITK
once, by resampling unit impulses, and applied one axis after the other: the same values as `sitk.Resample` (to 1e-6 of
the largest) in less time. The weights of a cubic spline fall off by 0.27 a voxel, so that beyond about ten
voxels they are left out, and time and memory grow with the number of voxels.

Reference:
    Unser 1999, Splines: a perfect fit for signal and image processing, doi:10.1109/79.799930; Draelos and Carin 2020,
    arXiv:2011.08891 (0.8 mm, B-spline). Their code begins at the centre of the first voxel, which leaves out up to a
    voxel at the far end or goes beyond it.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from sightline.data.images import Array
from sightline.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor

Method = Literal["bspline", "linear"]
Spacing = tuple[float, float, float]
LEAST = {"bspline": 4, "linear": 1}  # voxels along each axis
_NONE = 1e-7  # weights up to this are left out
_BLOCK = 64  # voxels made at once along an axis
_SAME = 1e-6  # relative difference of spacings that is none


def resampled_shape(shape: Sequence[int], spacing_mm: Spacing, target_mm: Spacing) -> tuple[int, int, int]:
    """Return the voxels along each axis after resampling, at least one."""
    slices, rows, columns = (
        max(math.floor(n * s / t + 0.5), 1) for n, s, t in zip(shape, spacing_mm, target_mm, strict=True)
    )
    return slices, rows, columns


def resampled_affine(affine: Array, shape: Sequence[int], spacing_mm: Spacing, target_mm: Spacing) -> Array:
    """Return the affine after resampling; arguments as `Volume` and `resample` have them."""
    new = resampled_shape(shape, spacing_mm, target_mm)
    change = np.eye(4)
    for axis, (n, m) in enumerate(zip(shape, new, strict=True)):
        s, t = spacing_mm[axis], target_mm[axis]
        if not _same(s, t):
            change[axis, axis], change[axis, 3] = t / s, _first(n, s, m, t) / s
    return np.asarray(affine @ change, np.float64)


def resample(values: Array, spacing_mm: Spacing, target_mm: Spacing, *, method: Method = "bspline") -> Array:
    """Resample a volume.

    Args:
        values: `(D, H, W)`.
        spacing_mm: between slices, rows and columns.
        target_mm: the same afterwards.
        method: cubic B-spline that goes through every value, or straight lines between them. Neither smoothes first:
            for a spacing far above the source's, blur it yourself.

    Returns:
        float32, `resampled_shape`. A cubic spline may overshoot at edges.

    Raises:
        DataError: an axis that has to be resampled has fewer than four voxels (`bspline`).
        MissingExtraError: SimpleITK is not installed.
    """
    new = resampled_shape(values.shape, spacing_mm, target_mm)
    axes = [axis for axis in range(3) if not _same(spacing_mm[axis], target_mm[axis])]
    resampled = torch.from_numpy(np.ascontiguousarray(values, np.float32))
    for axis in sorted(axes, key=lambda axis: new[axis] / values.shape[axis]):  # what shrinks most comes first
        count = values.shape[axis]
        if count < LEAST[method]:
            raise DataError(f"{count} voxels along an axis, where a {method} needs {LEAST[method]}")
        weights = _weights(count, spacing_mm[axis], new[axis], target_mm[axis], method)
        resampled = _along(resampled, weights, axis)
    found: Array = resampled.numpy()
    return found


def resample_labels(labels: Array, spacing_mm: Spacing, target_mm: Spacing) -> Array:
    """Resample labels, each voxel taking the one that lies nearest, onto the grid of `resample`.

    Args:
        labels: `(D, H, W)` of any type.
        spacing_mm: between slices, rows and columns.
        target_mm: the same afterwards.
    """
    new = resampled_shape(labels.shape, spacing_mm, target_mm)
    for axis, (n, m) in enumerate(zip(labels.shape, new, strict=True)):
        s, t = spacing_mm[axis], target_mm[axis]
        if not _same(s, t):
            where = (_first(n, s, m, t) + np.arange(m) * t) / s
            labels = labels.take(np.clip(np.floor(where + 0.5).astype(np.intp), 0, n - 1), axis=axis)
    return labels


def _same(spacing: float, target: float) -> bool:
    return abs(spacing - target) <= _SAME * target


def _first(n: int, s: float, m: int, t: float) -> float:
    """Place of the first new voxel's centre, mm from the first old one's: both grids have one middle."""
    return ((n - 1) * s - (m - 1) * t) / 2


@lru_cache(maxsize=16)
def _weights(n: int, s: float, m: int, t: float, method: Method) -> Array:
    """Return what each of n voxels gives to each of m, `(m, n)`: SimpleITK's answers to n unit impulses."""
    sitk = _simpleitk()
    impulses = sitk.GetImageFromArray(np.eye(n, dtype=np.float32))  # one a column; a row is a voxel
    impulses.SetSpacing((1.0, s))
    way = sitk.sitkBSpline if method == "bspline" else sitk.sitkLinear
    resampler = sitk.ResampleImageFilter()
    resampler.SetNumberOfThreads(1)
    resampler.SetInterpolator(way)
    resampler.SetSize((n, m))
    resampler.SetOutputSpacing((1.0, t))
    resampler.SetOutputOrigin((0.0, _first(n, s, m, t)))
    answer: Array = sitk.GetArrayFromImage(resampler.Execute(impulses))
    return answer


def _along(values: "Tensor", weights: Array, axis: int) -> "Tensor":
    """Apply weights along an axis, a block of new voxels at a time with only the old ones that count for it."""
    shape = list(values.shape)
    shape[axis] = len(weights)
    made = values.new_empty(shape)
    for start in range(0, len(weights), _BLOCK):
        block = weights[start : start + _BLOCK]
        used = np.flatnonzero((np.abs(block) > _NONE).any(axis=0))
        low, high = int(used[0]), int(used[-1]) + 1
        part = torch.from_numpy(np.ascontiguousarray(block[:, low:high]))
        given, place = values.narrow(axis, low, high - low), made.narrow(axis, start, len(block))
        if axis == 0:
            place.copy_((part @ given.reshape(high - low, -1)).reshape(place.shape))
        else:
            place.copy_(part @ given if axis == 1 else given @ part.T)
    return made


def _simpleitk() -> Any:  # noqa: ANN401 - the module
    try:
        import SimpleITK
    except ImportError as error:
        raise MissingExtraError("resampling needs the extra 'ct': pip install 'sightline[ct]'") from error
    return SimpleITK
