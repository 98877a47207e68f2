"""Images as they are looked at: a stack of planes in 16 bits, with what is known about where to look.

An image is a volume of one slice, so all that follows has three axes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sightline.answering import Ready
from sightline.errors import DataError
from sightline.reporting.outline import LONGEST, outline_path

Plane = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Plane, ...] = get_args(Plane)  # the plane at one index of each axis
_WHITE = 65535


@dataclass(frozen=True, eq=False)
class Gaze:
    """Where a reader looked.

    Attributes:
        region: 255 where, `(h, w)` uint8; None where it cannot be drawn.
        fixations: place across and down as shares of the picture, and duration in seconds, `(N, 3)`.
    """

    region: NDArray[np.uint8] | None
    fixations: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Picture:
    """One case as it is looked at.

    Attributes:
        image: `(D, H, W)` uint16, 65,535 is white; an image has D = 1.
        regions: 255 where a model may look, of each class or one for all, on any grid, `(R, d, h, w)` uint8.
        known: which of them are known, `(R,)`.
        spacing_mm: distance between slices, rows and columns; None where not known.
        limits: what 0 and 65,535 stand for.
        units: of the limits; empty where they mean nothing.
        gaze: where a reader looked; None where not known.
        ready: what the model reads; None where no model looks.
    """

    image: NDArray[np.uint16]
    regions: NDArray[np.uint8]
    known: tuple[bool, ...]
    spacing_mm: tuple[float, float, float] | None = None
    limits: tuple[float, float] = (0.0, 1.0)
    units: str = ""
    gaze: Gaze | None = None
    ready: Ready | None = field(default=None, repr=False)

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return self.image.nbytes + self.regions.nbytes + (0 if self.ready is None else self.ready.image.nbytes)

    @property
    def is_volume(self) -> bool:
        """Whether it has more than one slice."""
        return len(self.image) > 1

    def region(self, of: int) -> NDArray[np.uint8] | None:
        """Return where a model may look for a class, `(d, h, w)`; None where unknown."""
        which = of if len(self.regions) > 1 else 0
        return self.regions[which] if which < len(self.known) and self.known[which] else None


def make_picture(image: Tensor, regions: Tensor | None, **about: Any) -> Picture:  # noqa: ANN401 - fields of Picture
    """Make a picture: grey as in the report, the mean of three channels, else the first.

    Args:
        image: as the model sees it, `(C, *S)` in [0, 1].
        regions: in [0, 1], NaN where unknown, `(R, *s)` on any grid; None where none is known.
        about: further fields of the picture.
    """
    pixels = image.detach().cpu().numpy()
    grey = pixels.mean(0) if len(pixels) == 3 else pixels[0]
    allowed = np.zeros((0, *grey.shape), np.float32) if regions is None else regions.detach().cpu().numpy()
    known = tuple(bool(np.isfinite(each).all()) for each in allowed)
    inside = np.rint(255 * np.nan_to_num(allowed).clip(0, 1)).astype(np.uint8)
    if grey.ndim == 2:
        grey, inside = grey[None], inside[:, None]
    return Picture(np.rint(_WHITE * grey.clip(0, 1)).astype(np.uint16), inside, known, **about)


def cut(values: NDArray[Any], plane: Plane, at: int, depth: int | None = None) -> NDArray[Any]:
    """Return one plane of `(D, H, W)`.

    Args:
        values: on any grid.
        plane: along which.
        at: its index on a grid of `depth` planes; on a coarser grid the plane that holds it.
        depth: planes of the grid that `at` counts in; None for that of the values.

    Raises:
        DataError: there is no such plane.
    """
    axis = PLANES.index(plane)
    there = values.shape[axis]
    count = there if depth is None else depth
    if not 0 <= at < count:
        raise DataError(f"{plane} plane must lie in 0 to {count - 1}, got {at}")
    taken: NDArray[Any] = np.take(values, at if count == there else int((at + 0.5) * there / count), axis=axis)
    return taken


def outline(region: NDArray[Any]) -> dict[str, Any]:
    """Return the edge of a region as a path: its units along the longest side, height and width in cells."""
    high, wide = region.shape
    path = outline_path(region / 255) if min(region.shape) > 1 else ""
    return {"path": path, "unit": LONGEST / max(high, wide), "height": high, "width": wide}


def first_with(region: NDArray[Any] | None, depth: int, otherwise: Iterable[float]) -> int:
    """Return the axial slice to begin with: that with most of the region, else of what else is known, else the middle.

    Args:
        region: `(d, h, w)`, None where unknown.
        depth: slices of the picture.
        otherwise: a weight a slice, `(D,)`; may be empty.
    """
    if region is not None and 0 < (mass := region.sum((1, 2), dtype=np.float64)).sum() < 255 * region.size:
        return min(depth - 1, int((int(mass.argmax()) + 0.5) * depth / len(mass)))
    weights = np.asarray(list(otherwise))
    return int(weights.argmax()) if weights.size and weights.any() else depth // 2
