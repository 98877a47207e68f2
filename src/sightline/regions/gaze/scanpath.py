"""Where a reader's eyes were: samples as the tracker took them, and the fixations in which they rested.

Places are in pixels of an image from its upper left corner, x to the right and y down; the middle of the first pixel is
(0.5, 0.5). Times are in seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError, ShapeError

Floats: TypeAlias = NDArray[np.floating]
Bools: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Fixations:
    """Where the eyes rested on an image.

    Attributes:
        x: pixels from the left edge, `(N,)`; may lie outside the image.
        y: pixels from the upper edge, `(N,)`.
        start: when each began, seconds, `(N,)`.
        duration: how long each lasted, seconds, `(N,)`.
        size: height and width of the image, pixels.
        pixels_per_degree: image pixels in a degree of visual angle, along x and y, `(N, 2)`; None if not known.

    Raises:
        ShapeError: the arrays are not of one length, or the size is not two positive numbers.
        DataError: a number is not finite, a duration is negative, or a degree has no pixels.
    """

    x: Floats
    y: Floats
    start: Floats
    duration: Floats
    size: tuple[int, int]
    pixels_per_degree: Floats | None = None

    def __post_init__(self) -> None:
        columns = {"x": self.x, "y": self.y, "start": self.start, "duration": self.duration}
        _check_shapes("fixations", columns, self.size, self.pixels_per_degree)
        for name, values in columns.items():
            if not np.isfinite(values).all():
                raise DataError(f"{name} of fixations must be finite numbers; leave out those that are not known")
        if (self.duration < 0).any():
            raise DataError(f"a fixation lasts no less than 0 s, got {self.duration.min()}")
        if self.pixels_per_degree is not None and not (self.pixels_per_degree > 0).all():
            raise DataError("pixels_per_degree of fixations must be positive throughout, or None if not known")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def inside(self) -> Bools:
        """Whether each lies on the image, `(N,)`."""
        return _inside(self.x, self.y, self.size)


@dataclass(frozen=True, eq=False)
class Samples:
    """Where the eyes were at each tick of the tracker.

    Attributes:
        time: seconds, `(N,)`, never falling.
        x: pixels from the left edge, `(N,)`; anything, also NaN, where not valid.
        y: pixels from the upper edge, `(N,)`.
        valid: whether the eyes were found and open, `(N,)`.
        size: height and width of the image, pixels.
        pixels_per_degree: as of `Fixations`, `(N, 2)`.

    Raises:
        ShapeError: the arrays are not of one length, or the size is not two positive numbers.
        DataError: a time falls, a valid place is not finite, or a degree there has no pixels.
    """

    time: Floats
    x: Floats
    y: Floats
    valid: Bools
    size: tuple[int, int]
    pixels_per_degree: Floats | None = None

    def __post_init__(self) -> None:
        columns = {"time": self.time, "x": self.x, "y": self.y, "valid": self.valid}
        _check_shapes("samples", columns, self.size, self.pixels_per_degree)
        if self.valid.dtype != bool:
            raise DataError(f"valid must be bool, got {self.valid.dtype}")
        if not (np.diff(self.time) >= 0).all() or not np.isfinite(self.time).all():
            raise DataError("times of samples must be finite and never fall; sort them, or part the recordings")
        if not np.isfinite(np.stack((self.x, self.y))[:, self.valid]).all():
            raise DataError("places of valid samples must be finite; set valid to False where the eyes were lost")
        if self.pixels_per_degree is not None and not (self.pixels_per_degree[self.valid] > 0).all():
            raise DataError("pixels_per_degree of valid samples must be positive, or None if not known")

    def __len__(self) -> int:
        return len(self.time)

    @property
    def step(self) -> float:
        """Time from one sample to the next, seconds; the median, 0 if there are fewer than two."""
        return float(np.median(np.diff(self.time))) if len(self) > 1 else 0.0


Gaze = TypeVar("Gaze", Fixations, Samples)


def drop_outside(gaze: Gaze) -> tuple[Gaze, int]:
    """Drop what lies outside the image, and say how much that was.

    Fixations are taken out; samples stay, so that time does not jump, and are no longer valid.
    """
    if isinstance(gaze, Fixations):
        kept = gaze.inside
        per_degree = None if gaze.pixels_per_degree is None else gaze.pixels_per_degree[kept]
        columns = {name: getattr(gaze, name)[kept] for name in ("x", "y", "start", "duration")}
        return replace(gaze, **columns, pixels_per_degree=per_degree), int((~kept).sum())
    valid = gaze.valid & _inside(gaze.x, gaze.y, gaze.size)
    return replace(gaze, valid=valid), int((gaze.valid & ~valid).sum())


def every_sample(samples: Samples) -> Fixations:
    """Take each valid sample for a fixation as long as the step of the tracker."""
    kept = samples.valid
    return Fixations(
        x=samples.x[kept],
        y=samples.y[kept],
        start=samples.time[kept],
        duration=np.full(int(kept.sum()), samples.step),
        size=samples.size,
        pixels_per_degree=None if samples.pixels_per_degree is None else samples.pixels_per_degree[kept],
    )


def _inside(x: Floats, y: Floats, size: tuple[int, int]) -> Bools:
    inside: Bools = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])  # False where NaN
    return inside


def _check_shapes(
    what: str, columns: Mapping[str, NDArray[np.generic]], size: tuple[int, int], per_degree: Floats | None
) -> None:
    shapes = {name: values.shape for name, values in columns.items()}
    count = next(iter(columns.values())).size
    if any(shape != (count,) for shape in shapes.values()):
        raise ShapeError(f"columns of {what} must be (N,), got {shapes}")
    if len(size) != 2 or min(size) < 1:
        raise ShapeError(f"size must be height and width of the image in pixels, got {size}")
    if per_degree is not None and per_degree.shape != (count, 2):
        raise ShapeError(f"pixels_per_degree must be ({count}, 2), got {per_degree.shape}")
