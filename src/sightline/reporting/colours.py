"""Colour tables of maps, and maps as small pictures whose table says how to see them through.

A map is kept as one byte a pixel with a table of 255 colours and opacities, so that it can be laid over its image by
anything that shows PNG. Signed maps are blue below zero and red above it, told apart by colour-blind readers too; maps
without a sign run through colours of even steps of lightness. Zero is transparent in both.
"""

import io
from functools import cache
from typing import Literal

import numpy as np
from matplotlib import colormaps
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy import ndimage

from sightline.reporting.overlay import resized, signed_map, symmetric_limit
from sightline.showing import AGAINST, FOR

Kind = Literal["signed", "unsigned"]
Colours = NDArray[np.uint8]

LEVELS = 255
OPACITY = 0.9  # of full colour
GROUNDS = {"signed": (244, 244, 244), "unsigned": (0, 0, 0)}  # a map that is shown alone


@cache
def colour_table(kind: Kind) -> Colours:
    """Return colour and opacity of each level, `(255, 4)` uint8.

    Of a signed map the middle level is zero; of one without a sign the first is. Over the ground of its kind, lightness
    falls from zero to both ends of a signed map, and rises in even steps from zero to the end of the other, which is
    matplotlib's `magma` there.
    """
    if kind == "signed":
        value = np.linspace(-1, 1, LEVELS)
        alpha = np.abs(value)
        colour = np.where(value[:, None] > 0, FOR, AGAINST)
    else:
        shown = colormaps["magma"](np.linspace(0, 1, LEVELS))[:, :3]
        alpha = np.maximum.accumulate(shown.max(axis=1))
        alpha[0] = 0
        colour = 255 * shown / np.maximum(alpha, 1e-9)[:, None]  # the brightest colour that is `shown` over black
    table: Colours = np.column_stack([np.rint(colour), np.rint(255 * OPACITY * alpha)]).clip(0, 255).astype(np.uint8)
    return table


def over_ground(kind: Kind) -> Colours:
    """Return the colours of a map that is shown alone, `(255, 3)` uint8."""
    table = colour_table(kind).astype(float)
    alpha = table[:, 3:] / 255
    shown: Colours = np.rint(alpha * table[:, :3] + (1 - alpha) * GROUNDS[kind]).astype(np.uint8)
    return shown


def map_levels(
    attribution: ArrayLike, kind: Kind, *, side: int = 128, smooth: float = 0.0, percentile: float = 99.5
) -> NDArray[np.uint8]:
    """Bring a map to levels of `colour_table`, at most `side` pixels long.

    Channels are summed; full colour is at the percentile of the absolute map, as in `heatmap_overlay`.

    Args:
        attribution: `(H, W)` or `(C, H, W)`.
        kind: whether it has a sign; values below zero of a map without one count as zero.
        side: most pixels along the longest side.
        smooth: adds up relevance in a Gaussian neighbourhood first, as in `heatmap_overlay`.
        percentile: of the absolute map that is shown at full colour.

    Returns:
        `(h, w)`, 0 to 254; a map of zeros is zero all over.

    Raises:
        ShapeError: the map has another number of axes.
        DataError: it holds NaN or infinity.
    """
    signed = signed_map(attribution)
    longest = max(signed.shape)
    if smooth > 0:
        signed = np.asarray(ndimage.gaussian_filter(signed, smooth * longest, mode="constant"))
    limit = symmetric_limit(signed, percentile)
    scaled = signed / limit if limit > 0 else np.zeros_like(signed)
    if longest > side:
        scaled = resized(scaled, tuple(max(1, round(length * side / longest)) for length in signed.shape))
    half = (LEVELS - 1) // 2
    if kind == "signed":
        levels = half + np.rint(half * np.clip(scaled, -1, 1))
    else:
        levels = np.rint((LEVELS - 1) * np.clip(scaled, 0, 1))
    return levels.astype(np.uint8)


def map_png(levels: NDArray[np.uint8], kind: Kind) -> bytes:
    """Encode levels with their colour table as PNG."""
    table = colour_table(kind)
    picture = Image.fromarray(levels)
    picture.putpalette(table[:, :3].tobytes())
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True, transparency=table[:, 3].tobytes())
    return stream.getvalue()
