"""The edge of a region as a path of an SVG."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy import ndimage

from sightline.errors import ShapeError
from sightline.reporting.overlay import resized

LONGEST = 1000  # units along the longest side of the picture
_CELLS = 160  # most cells along it; finer edges are not seen


def outline_path(region: ArrayLike) -> str:
    """Draw the 0.5 level of a region, its corners rounded off, in whole units of a picture `LONGEST` units long.

    Args:
        region: `(H, W)` or `(1, H, W)`, in [0, 1]; NaN where unknown.

    Returns:
        The `d` of a path; empty where the region is unknown, or has no edge in the picture.

    Raises:
        ShapeError: it has another number of axes.
    """
    allowed = np.asarray(region, dtype=float)
    allowed = allowed[0] if allowed.ndim == 3 and len(allowed) == 1 else allowed
    if allowed.ndim != 2:
        raise ShapeError(f"region must be (H, W) or (1, H, W), got {allowed.shape}")
    if not np.isfinite(allowed).all() or np.ptp(allowed) == 0:
        return ""
    longest = max(allowed.shape)
    if longest > _CELLS:
        allowed = resized(allowed, tuple(max(2, round(side * _CELLS / longest)) for side in allowed.shape))
    smooth = ndimage.gaussian_filter(allowed, 0.8, mode="nearest")
    if min(smooth.shape) < 2 or not smooth.min() < 0.5 < smooth.max():
        return ""
    unit = LONGEST / max(smooth.shape)
    axes = Figure().add_subplot()
    lines = []
    for piece in axes.contour(smooth, [0.5]).allsegs[0]:
        points = np.rint((np.asarray(piece) + 0.5) * unit).astype(int)
        kept = points[np.r_[True, (np.diff(points, axis=0) != 0).any(1)]]
        if len(kept) > 1:
            lines.append("M" + " ".join(f"{x} {y}" for x, y in kept))
    return "".join(lines)
