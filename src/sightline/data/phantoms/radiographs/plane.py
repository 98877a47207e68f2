"""The plane that a patient is drawn on, upright and level, before being laid on the film as it was taken."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightline.data.phantoms.anatomy import Floats
from sightline.data.phantoms.projection import Projection

Single = NDArray[np.float32]
COARSEST = 4  # smooth parts are drawn on grids that many times coarser


@dataclass(frozen=True)
class Plane:
    """A square of patient coordinates that holds a whole film, with pixels of the film's size.

    On it the patient stands upright, so that levels are rows and distances columns, and what depends on one of them is
    computed once a row or column. `lay` turns and shifts the drawing onto the film.

    Attributes:
        film: the film and the patient's place on it.
    """

    film: Projection

    @cached_property
    def pitch(self) -> float:
        """Distance from pixel to pixel, a share of the side in the patient."""
        return 1 / (self.film.side * self.film.scale)

    @cached_property
    def side(self) -> int:
        """Pixels along each side, a multiple of `COARSEST`."""
        turn = abs(math.cos(self.film.angle)) + abs(math.sin(self.film.angle))
        return COARSEST * math.ceil((self.film.side * turn + 3) / COARSEST)

    @cached_property
    def origin(self) -> tuple[float, float]:
        """Patient coordinates (u, v) of the first pixel's centre."""
        right, down = (-shift / self.film.scale for shift in self.film.shift)
        cos, sin = math.cos(self.film.angle), math.sin(self.film.angle)
        half = 0.5 * (self.side - 1) * self.pitch
        return cos * right + sin * down - half, cos * down - sin * right + 0.5 - half

    @cached_property
    def u(self) -> Single:
        """Distances from the midline, a row `(1, side)`."""
        return (self.origin[0] + self.pitch * np.arange(self.side)).astype(np.float32)[None]

    @cached_property
    def v(self) -> Single:
        """Levels, a column `(side, 1)`."""
        return (self.origin[1] + self.pitch * np.arange(self.side)).astype(np.float32)[:, None]

    def columns(self, low: float, high: float) -> slice:
        """The columns from one distance to another."""
        return self._between(low, high, self.origin[0])

    def rows(self, low: float, high: float) -> slice:
        """The rows from one level to another."""
        return self._between(low, high, self.origin[1])

    def _between(self, low: float, high: float, origin: float) -> slice:
        first, last = (math.ceil((x - origin) / self.pitch) for x in (low, high))
        return slice(min(max(first, 0), self.side - 1), max(min(last, self.side), 1))

    def pixels(self, points: Floats) -> Floats:
        """Pixel positions (x, y) of patient points (u, v), `(..., 2)`; whole numbers are the centres of pixels."""
        places: Floats = (points - np.array(self.origin)) / self.pitch
        return places

    def spread(self, grid: Single, middle: tuple[float, float], extent: float, rows: slice, columns: slice) -> Single:
        """Stretch a coarse square of values over some pixels.

        Args:
            grid: the values, `(cells, cells)`.
            middle: patient coordinates of its middle.
            extent: distance of the middles of its outermost values; the pixels lie within it.
            rows: the pixels' rows.
            columns: their columns.
        """
        step = self.pitch / extent * (grid.shape[0] - 1)  # from pixel to pixel, in cells
        edges = []
        for places, at in ((self.u[0, columns], middle[0]), (self.v[rows, 0], middle[1])):
            first = ((float(places[0]) - at) / extent + 0.5) * (grid.shape[0] - 1) + 0.5 - step / 2
            edges.append((max(first, 0.0), min(first + len(places) * step, grid.shape[0])))
        (left, right), (top, bottom) = edges
        size = columns.stop - columns.start, rows.stop - rows.start
        image = Image.fromarray(grid).resize(size, Image.Resampling.BILINEAR, (left, top, right, bottom))
        stretched: Single = np.asarray(image)
        return stretched

    @cached_property
    def _corners(self) -> tuple[NDArray[np.intp], Single, Single]:
        """For each pixel of the film the pixel of the plane up and left of it, and the distances from it."""
        film, axis = self.film, np.arange(self.film.side, dtype=np.float32)
        (x0, y0), (x1, y1) = self.pixels(np.array([film.patient(0.5, 0.5), film.patient(1.5, 0.5)]))
        cos, sin = np.float32(x1 - x0), np.float32(y1 - y0)
        right = cos * axis + (np.float32(x0) - sin * axis[:, None])
        down = sin * axis + (np.float32(y0) + cos * axis[:, None])
        whole = np.floor(down)
        down -= whole
        first = whole.astype(np.int32)
        first *= self.side
        np.floor(right, out=whole)
        right -= whole
        first += whole.astype(np.int32)
        return first.astype(np.intp), right, down

    def lay(self, drawing: Single) -> Single:
        """Lay a drawing on the film: linear interpolation among the four nearest pixels, `(size, size)`."""
        first, right, down = self._corners
        flat = drawing.ravel()
        upper, aside = flat.take(first), flat[1:].take(first)
        aside -= upper
        aside *= right
        upper += aside
        lower, aside = flat[self.side :].take(first), flat[self.side + 1 :].take(first)
        aside -= lower
        aside *= right
        lower += aside
        lower -= upper
        lower *= down
        upper += lower
        return upper

    def touched(self, drawing: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What the pixels of the film are made of: the four nearest pixels of the drawing, their bits together."""
        flat = drawing.ravel()
        pairs = flat[:-1] | flat[1:]
        return (pairs[: -self.side] | pairs[self.side :]).take(self._corners[0])


def shrink(image: NDArray[Any], factor: int) -> Single:
    """Average squares of `factor` x `factor` pixels; the image is cut into whole ones."""
    rows, columns = (factor * (length // factor) for length in image.shape)
    if image.dtype == bool:
        image = image.view(np.uint8)
    high = sum((image[start:rows:factor] for start in range(1, factor)), image[0:rows:factor])
    small = sum((high[:, start:columns:factor] for start in range(1, factor)), high[:, 0:columns:factor])
    averaged: Single = small * np.float32(1 / factor**2)
    return averaged


def stretch(image: Single, factor: int) -> Single:
    """Enlarge by a whole factor, linearly between the middles of pixels."""
    return _enlarge(np.ascontiguousarray(_enlarge(image.T, factor).T), factor)


def _enlarge(image: Single, factor: int) -> Single:
    rows, columns = image.shape
    padded = np.concatenate([image[:1], image, image[-1:]])
    step = padded[1:] - padded[:-1]
    even = step * np.float32(1 / factor)
    large = np.empty((rows, factor, columns), np.float32)
    for phase in range(factor):
        beyond = (phase + 0.5) / factor - 0.5  # the middle of the pixel that is divided
        first = int(beyond > 0)
        part = large[:, phase]
        if phase in (0, factor // 2):
            np.multiply(step[first : first + rows], np.float32(beyond if first else 1 + beyond), out=part)
            part += padded[first : first + rows]
        else:
            np.add(large[:, phase - 1], even[first : first + rows], out=part)
    return large.reshape(factor * rows, columns)
