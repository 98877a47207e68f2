"""Where the patient lies on the film: patient coordinates to pixels and back, and bands drawn along curves."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from sightline.data.phantoms.anatomy import Floats

_OVERSAMPLE = 2  # drawn this much finer, then averaged: smooth edges


@dataclass(frozen=True)
class Projection:
    """A square film of `side` pixels and the patient's place on it.

    Attributes:
        side: pixels along each side.
        scale: magnification about the film's centre.
        shift: displacement (right, down) as a share of the side.
        angle: rotation in radians, clockwise as seen.
    """

    side: int
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0

    def coordinates(self) -> tuple[Floats, Floats]:
        """Patient coordinates (u, v) of every pixel's centre, each `(side, side)`."""
        axis = (np.arange(self.side) + 0.5) / self.side - 0.5
        x, y = axis[None, :] - self.shift[0], axis[:, None] - self.shift[1]
        cos, sin = np.cos(self.angle) / self.scale, np.sin(self.angle) / self.scale
        return cos * x + sin * y, cos * y - sin * x + 0.5

    def patient(self, x: float, y: float) -> tuple[float, float]:
        """Patient coordinates (u, v) of a pixel position; whole numbers are the corners of pixels."""
        right, down = x / self.side - 0.5 - self.shift[0], y / self.side - 0.5 - self.shift[1]
        cos, sin = float(np.cos(self.angle)) / self.scale, float(np.sin(self.angle)) / self.scale
        return cos * right + sin * down, cos * down - sin * right + 0.5

    def pixels(self, points: Floats) -> Floats:
        """Pixel positions (x, y) of patient points (u, v), `(..., 2)`; whole numbers are the corners of pixels."""
        u, v = points[..., 0] * self.scale, (points[..., 1] - 0.5) * self.scale
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        place = np.stack([cos * u - sin * v + self.shift[0], sin * u + cos * v + self.shift[1]], axis=-1)
        pixels: Floats = (place + 0.5) * self.side
        return pixels


@dataclass(frozen=True)
class Band:
    """A curve with a width: a rib, a clavicle.

    Attributes:
        points: patient coordinates along the curve, `(P, 2)`.
        half_width: at each point, `(P,)`.
        inside: grey level of the filled band, 0 to 255.
        rim: grey level of its two edges.
    """

    points: Floats
    half_width: Floats
    inside: int
    rim: int


def draw_bands(bands: Iterable[Band], projection: Projection, *, rim_width: float = 0.004) -> Floats:
    """Draw bands; where they cross, the later covers the earlier.

    Args:
        bands: what to draw.
        projection: the film.
        rim_width: thickness of the edges, a share of the side.

    Returns:
        Level in [0, 1], `(side, side)`.
    """
    fine = _OVERSAMPLE * projection.side
    canvas = Image.new("L", (fine, fine))
    pen = ImageDraw.Draw(canvas)
    width = max(1, round(rim_width * fine))
    for band in bands:
        along = np.gradient(band.points, axis=0)
        normal = np.stack([-along[:, 1], along[:, 0]], axis=-1) / np.maximum(
            np.linalg.norm(along, axis=1, keepdims=True), 1e-9
        )
        offset = normal * band.half_width[:, None]
        edges = [projection.pixels(band.points + sign * offset) * _OVERSAMPLE for sign in (1, -1)]
        pen.polygon(np.concatenate([edges[0], edges[1][::-1]]).ravel().tolist(), fill=band.inside)
        for edge in edges:
            pen.line(edge.ravel().tolist(), fill=band.rim, width=width, joint="curve")
    return np.asarray(canvas.reduce(_OVERSAMPLE), dtype=np.float64) / 255
