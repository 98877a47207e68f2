"""The papers' artificial background bias: a polygon that gives the class away.

Bassi et al. 2024 (ISNet), 4.8: a triangle, a square or a circle in the upper left corner of every image of a class;
with several labels an image, each class has a corner of its own. Size and place are not in the paper: 5 % of the side,
2 % from the edge.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from sightline.data.images import Array
from sightline.errors import SettingsError

Shape = Literal["triangle", "square", "circle", "diamond", "cross", "ring", "bar", "pillar"]
Corner = Literal["upper_left", "lower_right", "lower_left", "upper_right", "top", "bottom", "left", "right"]
Bias: TypeAlias = Literal["on", "off", "swapped"]

# share of the free space left of and above the polygon
_PLACES: dict[Corner, tuple[float, float]] = {
    "upper_left": (0, 0),
    "lower_right": (1, 1),
    "lower_left": (0, 1),
    "upper_right": (1, 0),
    "top": (0.5, 0),
    "bottom": (0.5, 1),
    "left": (0, 0.5),
    "right": (1, 0.5),
}
# whether a point is inside, x to the right and y down, both from -1 to 1
_INSIDE: dict[Shape, Callable[[Array, Array], Array]] = {
    "triangle": lambda x, y: 2 * abs(x) <= y + 1,  # tip up
    "square": lambda x, y: abs(x) <= 1,
    "circle": lambda x, y: x**2 + y**2 <= 1,
    "diamond": lambda x, y: abs(x) + abs(y) <= 1,
    "cross": lambda x, y: (abs(x) <= 1 / 3) | (abs(y) <= 1 / 3),
    "ring": lambda x, y: (x**2 + y**2 <= 1) & (x**2 + y**2 >= 1 / 4),
    "bar": lambda x, y: abs(y) <= 1 / 3,
    "pillar": lambda x, y: abs(x) <= 1 / 3,
}
_SAMPLES = 16  # per pixel and direction, so that edges are smooth


@dataclass(frozen=True)
class PlantedBias:
    """A polygon per class at the edge of the image.

    It is planted on the image at the size the model sees, after equalisation.

    Attributes:
        shapes: shape of each class in turn.
        corner: where it stands, one place for all or one a class; by default the upper left corner, or with several
            labels an image a place of its own for each class.
        side: height and width of the polygon, share of the image's side.
        margin: distance from the edge, share of the image's side.
        value: brightness in [0, 1].
        after_augmentation: plant it after the image was moved, so that it stays where it is; by default it moves along
            and may leave the image, as in the papers.
    """

    shapes: tuple[Shape, ...] = ("triangle", "square", "circle", "diamond", "cross", "ring", "bar", "pillar")
    corner: Corner | tuple[Corner, ...] | None = None
    side: float = 0.05
    margin: float = 0.02
    value: float = 1.0
    after_augmentation: bool = False

    def __post_init__(self) -> None:
        corners = (self.corner,) if isinstance(self.corner, str) else self.corner or ()
        if not self.shapes or not set(self.shapes) <= set(_INSIDE):
            raise SettingsError(f"shapes must be some of {', '.join(_INSIDE)}, got {', '.join(self.shapes) or 'none'}")
        if not set(corners) <= set(_PLACES):
            raise SettingsError(f"corner must be one of {', '.join(_PLACES)}, got {', '.join(corners)}")
        if self.side <= 0 or self.margin < 0 or self.side + 2 * self.margin > 1:
            raise SettingsError(f"a polygon of side {self.side} with margin {self.margin} does not fit into the image")
        if not 0 <= self.value <= 1:
            raise SettingsError(f"value must be a brightness in [0, 1], got {self.value}")

    def markers(self, num_classes: int, *, multilabel: bool) -> tuple[tuple[Shape, Corner], ...]:
        """Return shape and place of each class.

        Raises:
            SettingsError: two classes would share a marker, or with several labels an image a place.
        """
        corners = (self.corner,) if isinstance(self.corner, str) else self.corner
        places = corners or tuple(_PLACES)
        turn = 1 if multilabel or corners else len(self.shapes)
        pairs = tuple((self.shapes[k % len(self.shapes)], places[k // turn % len(places)]) for k in range(num_classes))
        if len(set(pairs)) < num_classes:
            raise SettingsError(
                f"shapes and corners must tell {num_classes} classes apart, got {len(set(pairs))} pairs"
            )
        if multilabel and len({place for _, place in pairs}) < num_classes:
            raise SettingsError(f"with several labels an image, each of the {num_classes} classes needs its own corner")
        return pairs


def draw_polygons(bias: PlantedBias, num_classes: int, *, size: int, multilabel: bool = False) -> Tensor:
    """Draw the polygon of each class.

    Returns:
        Share of each pixel that the polygon covers, `(K, size, size)` float32.
    """
    markers = bias.markers(num_classes, multilabel=multilabel)
    return torch.stack([torch.from_numpy(_draw(*marker, bias, size)) for marker in markers])


def plant(images: Tensor, labels: Tensor, polygons: Tensor, *, value: float = 1.0) -> Tensor:
    """Paint on each image the polygons of its classes.

    Args:
        images: `(N, C, S, S)` float in [0, 1].
        labels: classes whose polygons are wanted, `(N,)` int, or `(N, K)` where a polygon is painted as 1 (NaN: none).
        polygons: `(K, S, S)` from `draw_polygons`.
        value: brightness in [0, 1].

    Returns:
        `(N, C, S, S)`; the input is not written to.
    """
    if labels.ndim == 1:
        cover = polygons[labels]
    else:
        cover = ((labels > 0.5).to(polygons)[:, :, None, None] * polygons).amax(dim=1)
    return torch.lerp(images, torch.full_like(images, value), cover[:, None].to(images))


def swapped(labels: Tensor, num_classes: int) -> Tensor:
    """Return wrong classes: the next one of each image, or with several labels an image those that it has not.

    Args:
        labels: `(N,)` int, or `(N, K)` float with NaN where unknown, which stays.
        num_classes: number of classes K.
    """
    return (labels + 1) % num_classes if labels.ndim == 1 else 1 - labels


def _draw(shape: Shape, corner: Corner, bias: PlantedBias, size: int) -> Array:
    """Return the share of each pixel of a `size` x `size` image that the polygon covers."""
    free = 1 - bias.side - 2 * bias.margin
    starts = [(bias.margin + share * free) * size for share in _PLACES[corner]]
    extent = bias.side * size
    pixels = [np.arange(int(start), min(int(np.ceil(start + extent)), size)) for start in starts]
    within = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    x, y = (((p[:, None] + within).ravel() - s) * 2 / extent - 1 for p, s in zip(pixels, starts, strict=True))
    x, y = x[None, :], y[:, None]
    inside = _INSIDE[shape](x, y) & (abs(x) <= 1) & (abs(y) <= 1)
    cover = np.zeros((size, size), np.float32)
    shares = inside.reshape(len(pixels[1]), _SAMPLES, len(pixels[0]), _SAMPLES).mean(axis=(1, 3))
    cover[np.ix_(pixels[1], pixels[0])] = shares
    return cover
