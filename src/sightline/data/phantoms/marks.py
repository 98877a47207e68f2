"""Lead letters and collimation frames drawn on a film, never over the lungs."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from sightline.data.phantoms.anatomy import Bools, Floats
from sightline.data.phantoms.hospitals import Marks

# Letters as strokes in a box of width 0.7 and height 1, so that no font is needed: each stroke is a polyline.
_LETTERS: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    "L": (((0.1, 0.0), (0.1, 1.0), (0.65, 1.0)),),
    "R": (
        ((0.1, 1.0), (0.1, 0.0), (0.45, 0.0), (0.62, 0.13), (0.62, 0.37), (0.45, 0.5), (0.1, 0.5)),
        ((0.35, 0.5), (0.65, 1.0)),
    ),
    "P": (((0.1, 1.0), (0.1, 0.0), (0.45, 0.0), (0.62, 0.13), (0.62, 0.4), (0.45, 0.54), (0.1, 0.54)),),
    "A": (((0.05, 1.0), (0.35, 0.0), (0.65, 1.0)), ((0.16, 0.64), (0.54, 0.64))),
    "D": (((0.1, 0.0), (0.1, 1.0), (0.4, 1.0), (0.62, 0.78), (0.62, 0.22), (0.4, 0.0), (0.1, 0.0)),),
    "E": (((0.62, 0.0), (0.1, 0.0), (0.1, 1.0), (0.62, 1.0)), ((0.1, 0.5), (0.5, 0.5))),
}


def draw_marks(marks: Marks, rng: np.random.Generator, side: int) -> tuple[Floats, Floats]:
    """Draw the marks of one film, with the small differences there are from film to film.

    Args:
        marks: what the hospital leaves.
        rng: generator that is advanced, by the same draws whatever the marks.
        side: pixels along each side.

    Returns:
        Grey level of the marks and how far they cover the film, both `(side, side)` in [0, 1].
    """
    level, cover = mark_layers(marks, rng, side)
    amount, covered = (np.asarray(x, np.float64) / 255 for x in (level, cover))
    return np.divide(amount, covered, out=np.zeros_like(amount), where=covered > 0), covered


def mark_layers(
    marks: Marks, rng: np.random.Generator, side: int, *, oversample: int = 4, penumbra: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw the light that marks add to a film and how far they cover it, both `(side, side)` in 8 bits.

    Args:
        marks: what the hospital leaves.
        rng: generator that is advanced, by the same draws whatever the marks.
        side: pixels along each side.
        oversample: how much finer they are drawn before being averaged.
        penumbra: blur the edges of the collimator, which takes long on large films.
    """
    nudge = rng.uniform(-0.012, 0.012, 2)
    tilt = marks.tilt_degrees + rng.uniform(-5, 5)
    widths = marks.frame_width * rng.uniform(0.8, 1.25, 4)
    skew = rng.uniform(-0.006, 0.006, 4)
    fine = oversample * side
    level, cover = (Image.new("L", (fine, fine)) for _ in range(2))
    _draw_frame(ImageDraw.Draw(cover), marks, widths, skew, fine)
    if penumbra:
        cover = cover.filter(ImageFilter.GaussianBlur(0.0015 * fine))
    _draw_marker(ImageDraw.Draw(level), ImageDraw.Draw(cover), marks, nudge, np.deg2rad(tilt), fine)
    return np.asarray(level.reduce(oversample)), np.asarray(cover.reduce(oversample))


def _draw_frame(pen: ImageDraw.ImageDraw, marks: Marks, widths: Floats, skew: Floats, fine: int) -> None:
    if marks.frame == "none":
        return
    shapes: list[list[tuple[float, float]]]
    a, b, c, d = (float(x) for x in widths)
    s, t = float(skew[0]), float(skew[1])
    if marks.frame == "sides":
        shapes = [[(0, 0), (a + s, 0), (a - s, 1), (0, 1)], [(1, 0), (1 - b + t, 0), (1 - b - t, 1), (1, 1)]]
    elif marks.frame == "ends":
        shapes = [[(0, 0), (0, a + s), (1, a - s), (1, 0)], [(0, 1), (0, 1 - b + t), (1, 1 - b - t), (1, 1)]]
    else:  # legs such that all frames cover about the same area
        legs = [5 * x for x in (a, b, c, d)]
        corners = ((0, 0), (1, 0), (1, 1), (0, 1))
        shapes = [[(x, y), (abs(x - g), y), (x, abs(y - g))] for (x, y), g in zip(corners, legs, strict=True)]
    for shape in shapes:
        pen.polygon([(x * fine, y * fine) for x, y in shape], fill=255)


def _draw_marker(
    level: ImageDraw.ImageDraw, cover: ImageDraw.ImageDraw, marks: Marks, nudge: Floats, tilt: float, fine: int
) -> None:
    """Draw the letters white, on their plate, into both layers."""
    height = marks.height * fine
    middle = (np.array(marks.place) + nudge) * fine
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    pen = max(1, round(0.17 * height))
    half = 0.5 * 0.8 * len(marks.letters)
    if marks.plate == "ring":
        radius = 0.98 * height
        box = [middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius]
        level.ellipse(box, fill=20, outline=235, width=pen)
        cover.ellipse(box, fill=255)
    elif marks.plate == "box":
        corners = (
            np.array([[-half - 0.2, -0.75], [half + 0.2, -0.75], [half + 0.2, 0.75], [-half - 0.2, 0.75]]) * height
        )
        box = [tuple(p) for p in middle + corners @ turn]
        level.polygon(box, fill=30)
        cover.polygon(box, fill=255)
    for index, letter in enumerate(marks.letters):
        for stroke in _LETTERS[letter]:
            points = (np.array(stroke) - (half - 0.8 * index - 0.025, 0.5)) * height
            line = [tuple(p) for p in middle + points @ turn]
            for layer, value in ((level, 245), (cover, 255)):
                layer.line(line, fill=value, width=pen, joint="curve")
                for x, y in line:
                    layer.ellipse([x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2], fill=value)


def stamp(image: Floats, lungs: Bools, marks: Marks, rng: np.random.Generator) -> Floats:
    """Put marks on a film, never over the lungs.

    Args:
        image: the film, `(side, side)` in [0, 1].
        lungs: the lung fields, `(side, side)`.
        marks: what the hospital leaves.
        rng: generator that is advanced.
    """
    level, cover = draw_marks(marks, rng, image.shape[0])
    cover = np.where(lungs, 0.0, cover)
    marked: Floats = image * (1 - cover) + level * cover
    return marked
