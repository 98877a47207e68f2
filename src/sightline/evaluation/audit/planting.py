"""Objects foreign to the patient that are planted on images: a letter, a line of text, a border, a polygon.

They are drawn as those of the phantoms and of the planted bias are, at sizes relative to the image, each where it
covers least of the region. What would cover the region is left away.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.data.phantoms import Marks
from sightline.data.phantoms.marks import draw_marks
from sightline.data.planted_bias import Corner, PlantedBias, draw_polygons

OBJECTS: Mapping[str, str] = {
    "letter": "a lead letter",
    "text": "a line of letters",
    "border": "a black border",
    "polygon": "a white square",
}
_SIDE = 256  # at which objects are drawn
_CORNERS: Mapping[Corner, tuple[float, float]] = {
    "upper_left": (0, 0),
    "upper_right": (1, 0),
    "lower_left": (0, 1),
    "lower_right": (1, 1),
}
_LETTER, _TEXT, _BORDER = 0.075, 0.04, 0.03  # heights and width, shares of the side
_WORD = "PADERALE"


def plant_object(kind: str, images: Tensor, regions: Tensor, generators: list[np.random.Generator]) -> Tensor:
    """Plant an object on each image; on a volume in every slice along the first axis.

    Args:
        kind: one of `OBJECTS`.
        images: `(N, C, H, W)` or `(N, C, D, H, W)` in [0, 1].
        regions: 0 where objects may stand, `(N, H, W)` or `(N, D, H, W)`; NaN counts as 0.
        generators: one an image, which breaks ties between places that are equally free.

    Returns:
        The images with the object, none of their region covered.
    """
    size = (images.shape[-2], images.shape[-1])
    level, cover = _drawn(kind, size)  # (P, H, W)
    taken = regions.nan_to_num()
    flat = taken if taken.ndim == 3 else taken.amax(1)  # (N, H, W)
    hidden = torch.einsum("nhw,phw->np", (flat > 0).to(cover), cover).numpy()
    places = [_least(row, generator) for row, generator in zip(hidden, generators, strict=True)]
    shape = (len(images), 1, *(1 for _ in images.shape[2:-2]), *size)
    over = cover[places].view(shape) * (taken <= 0)[:, None]
    marked = torch.lerp(images, level[places].view(shape).expand_as(images), over.expand_as(images))
    return marked.clamp(0, 1)  # of rounding


def _least(hidden: np.ndarray, generator: np.random.Generator) -> int:
    free = np.flatnonzero(hidden <= hidden.min() + 1e-6)
    return int(free[generator.integers(len(free))])


@lru_cache(maxsize=16)
def _drawn(kind: str, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Draw an object at each of its places: grey level and cover, `(P, H, W)` each."""
    if kind == "border":
        layers = [(torch.zeros(_SIDE, _SIDE), _frame(_BORDER))]
    elif kind == "polygon":
        layers = [_polygon(corner) for corner in _CORNERS]
    else:
        layers = [_letters(kind, place) for place in _CORNERS.values()]
    level, cover = (torch.stack(of)[:, None].float() for of in zip(*layers, strict=True))
    resized = [F.interpolate(of, size=size, mode="bilinear", antialias=True)[:, 0] for of in (level * cover, cover)]
    return torch.where(resized[1] > 0, resized[0] / resized[1].clamp(min=1e-6), 0).clamp(0, 1), resized[1].clamp(0, 1)


def _frame(width: float) -> Tensor:
    pixels = round(width * _SIDE)
    cover = torch.ones(_SIDE, _SIDE)
    cover[pixels:-pixels, pixels:-pixels] = 0
    return cover


def _polygon(corner: Corner) -> tuple[Tensor, Tensor]:
    cover = draw_polygons(PlantedBias(("square",), corner), 1, size=_SIDE)[0]
    return torch.ones_like(cover), cover


def _letters(kind: str, place: tuple[float, float]) -> tuple[Tensor, Tensor]:
    letters, height = ("L", _LETTER) if kind == "letter" else (_WORD, _TEXT)
    wide, high = 0.4 * len(letters) * height + 0.03, height / 2 + 0.03  # half of it, and a margin
    middle = tuple(margin + share * (1 - 2 * margin) for margin, share in zip((wide, high), place, strict=True))
    marks = Marks(letters, (middle[0], middle[1]), height=height)
    level, cover = draw_marks(marks, np.random.default_rng(0), _SIDE)
    return torch.from_numpy(level), torch.from_numpy(cover)
