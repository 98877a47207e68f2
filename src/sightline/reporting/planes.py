"""A map laid over a volume in three planes through one voxel: axial, coronal and sagittal, as radiologists see them.

Volumes run from head to feet, from front to back, and from the patient's right to the left, `(D, H, W)`, as
`sightline.data.readers.read_volume` gives them. So all planes lie on the page as they are stored: the patient's right
is on the left in the axial and the coronal plane, the front on the left in the sagittal one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from sightline.errors import DataError, ShapeError
from sightline.reporting.overlay import Floats, heatmap_overlay
from sightline.reporting.themes import LIGHT, Theme, box, lettering, new_figure, points

Singles = NDArray[np.float32]
Voxel = tuple[int, int, int]
Size = tuple[float, float, float]

_PLANES = {"axial": (1, 2), "coronal": (0, 2), "sagittal": (0, 1)}  # axes shown downwards and across
_LEFT, _RIGHT, _TOP, _BOTTOM = (0.0, 0.5), (1.0, 0.5), (0.5, 1.0), (0.5, 0.0)
_SIDES = {
    "axial": {"R": _LEFT, "L": _RIGHT, "A": _TOP, "P": _BOTTOM},
    "coronal": {"R": _LEFT, "L": _RIGHT, "H": _TOP, "F": _BOTTOM},
    "sagittal": {"A": _LEFT, "P": _RIGHT, "H": _TOP, "F": _BOTTOM},
}
_CUTS = ("axial", "coronal", "sagittal")  # the plane at one index of each axis
_MARGIN, _GAP, _CAPTION, _HEAD, _KEY = 14.0, 12.0, 30.0, 30.0, 34.0  # CSS pixels
_PAD = 8  # dots between planes while they are coloured


@dataclass(frozen=True, eq=False)
class Planes:
    """Three planes through a voxel, to one scale.

    Attributes:
        at: the voxel, (slice, row, column).
        shape: of the volume.
        pictures: `(h, w, 3)` uint8 by name of the plane; a dot is as many millimetres high as wide, in all three.
        places: where the voxel lies in each picture, (down, across) in [0, 1].
    """

    at: Voxel
    shape: Voxel
    pictures: Mapping[str, NDArray[np.uint8]]
    places: Mapping[str, tuple[float, float]]


def peak_voxel(attention: ArrayLike, shape: Voxel) -> Voxel:
    """Find the voxel of a volume in the middle of where a map, perhaps on a coarser grid, is greatest.

    Args:
        attention: `(d, h, w)`.
        shape: of the volume.
    """
    values = np.asarray(attention)
    peak = np.unravel_index(int(values.argmax()), values.shape)
    middles = [(place + 0.5) * size / cells for place, size, cells in zip(peak, shape, values.shape, strict=True)]
    depth, row, column = (min(int(middle), size - 1) for middle, size in zip(middles, shape, strict=True))
    return depth, row, column


def best_slice(attention: ArrayLike, region: ArrayLike | None = None) -> tuple[int, str]:
    """Choose the axial slice of a volume that says most, and say which it is.

    It is the slice with most of the region, where one is known, else the one with most of the absolute map; of equal
    ones the first.

    Args:
        attention: signed map, `(D, H, W)`.
        region: of the same shape; None or NaN where unknown.

    Returns:
        Index of the slice, and a few words such as `slice 14 of 27, most of the region`.

    Raises:
        ShapeError: an array has other axes than three.
    """
    heat = np.abs(_volume("attention", attention))
    allowed = heat * np.nan if region is None else _volume("region", region)
    inside = np.isfinite(allowed).all() and 0 < allowed.sum() < allowed.size
    depth = int((allowed if inside else heat).sum(axis=(1, 2)).argmax())
    return depth, f"slice {depth + 1} of {len(heat)}, most of the {'region' if inside else 'relevance'}"


def cut_planes(
    volume: ArrayLike,
    attention: ArrayLike | None = None,
    region: ArrayLike | None = None,
    *,
    spacing_mm: Size,
    at: Voxel | None = None,
    window_hu: tuple[float, float] = (-1100.0, 300.0),
    dots_per_mm: float = 1.5,
    percentile: float = 99.5,
) -> Planes:
    """Colour three planes of a volume by a map; see `heatmap_overlay` for the colours.

    Args:
        volume: HU, `(D, H, W)`.
        attention: signed map on any grid over the same space, `(d, h, w)`, interpolated linearly; None shows the volume
            alone. Full colour is at one value in the three planes.
        region: outlined, 0 to 1 on any grid over the same space; None or NaN draws no outline.
        spacing_mm: distance between slices, rows and columns.
        at: the voxel that the planes go through; None takes the peak of the map, or the middle without one.
        window_hu: values shown black and white.
        dots_per_mm: scale.
        percentile: of the absolute map in the planes that is shown at full colour.

    Raises:
        ShapeError: an array has other axes than three.
        DataError: the voxel lies outside, the spacing is not positive, or the map holds NaN or infinity.
    """
    values = _volume("volume", volume)
    shape: Voxel = (values.shape[0], values.shape[1], values.shape[2])
    heat = None if attention is None else _volume("attention", attention)
    allowed = None if region is None else _volume("region", region)
    if heat is not None and not np.isfinite(heat).all():
        raise DataError("attention holds NaN or infinity; a heatmap of it would say nothing")
    if at is None:
        at = peak_voxel(heat, shape) if heat is not None else (shape[0] // 2, shape[1] // 2, shape[2] // 2)
    if not all(0 <= place < size for place, size in zip(at, shape, strict=True)):
        raise DataError(f"the planes must go through a voxel of the volume {shape}, got {at}")
    if not min(spacing_mm) > 0:
        raise DataError(f"spacing_mm must be three lengths above 0, got {spacing_mm}")
    dots = [max(2, round(size * step * dots_per_mm)) for size, step in zip(shape, spacing_mm, strict=True)]
    middle = [(place + 0.5) / size for place, size in zip(at, shape, strict=True)]
    low, high = window_hu
    cuts = [np.clip((cut - low) / (high - low), 0, 1) for cut in _cuts(values, middle, dots)]
    heats = None if heat is None else _cuts(heat, middle, dots)
    outlines = None if allowed is None or not np.isfinite(allowed).all() else _cuts(allowed, middle, dots)
    whole = heatmap_overlay(
        _side_by_side(cuts),  # one picture, so that one limit holds for all colours
        None if heats is None else _side_by_side(heats),
        None if outlines is None else _side_by_side(outlines),
        percentile=percentile,
        opacity=0.75,
    )
    places = {name: (middle[down], middle[across]) for name, (down, across) in _PLANES.items()}
    return Planes(at, shape, dict(zip(_CUTS, _apart(whole, cuts), strict=True)), places)


def planes_figure(
    rows: Mapping[str, Planes], *, title: str = "", region_name: str = "", theme: Theme = LIGHT, width: float = 880
) -> Figure:
    """Draw planes side by side, one row a map.

    Args:
        rows: planes by what is said above them, such as the name of the model.
        title: drawn above, for a figure that stands alone.
        region_name: what is inside the outline, with its article; empty where nothing is outlined.
        theme: colours.
        width: of the figure in CSS pixels.

    Raises:
        DataError: there is no row.
    """
    if not rows:
        raise DataError("a figure of planes needs at least one map, got none")
    sizes = {name: [_span(planes, plane) for plane in _CUTS] for name, planes in rows.items()}
    room = width - 2 * _MARGIN - _GAP * (len(_CUTS) - 1)
    scales = {name: room / sum(across for _, across in size) for name, size in sizes.items()}
    heights = {name: max(down for down, _ in size) * scales[name] for name, size in sizes.items()}
    top = _MARGIN + (34 if title else 0)
    figure = new_figure(width, top + sum(heights.values()) + (_HEAD + _CAPTION) * len(rows) + _KEY, theme)
    if title:
        _say(figure, _MARGIN, _MARGIN, title, lettering(theme.ink, 18, bold=True))
    for name, planes in rows.items():
        _say(figure, _MARGIN, top + 4, name, lettering(theme.ink, 14, bold=True))
        left = _MARGIN
        for plane, (down, across) in zip(_CUTS, sizes[name], strict=True):
            tall, wide = down * scales[name], across * scales[name]
            axes = figure.add_axes(box(figure, left, top + _HEAD, wide, tall))
            _draw(axes, planes, plane, theme)
            _say(figure, left, top + _HEAD + tall + 6, _caption(planes, plane), lettering(theme.muted, 12))
            left += wide + _GAP
        top += _HEAD + heights[name] + _CAPTION
    key = "red speaks for the finding, blue against it"
    key += f"; outline: {region_name}" if region_name else ""
    _say(figure, _MARGIN, top + 6, f"{key}; ticks: where the other planes lie", lettering(theme.muted, 12))
    return figure


def _cuts(values: Singles, middle: list[float], dots: list[int]) -> list[Floats]:
    """Sample the three planes, each `(down, across)` dots; cells of any grid cover the same space."""
    cuts = []
    for axis, plane in enumerate(_CUTS):
        at = [(np.arange(count) + 0.5) / count for count in dots]
        at[axis] = np.array([middle[axis]])
        grids = np.meshgrid(*(share * size - 0.5 for share, size in zip(at, values.shape, strict=True)), indexing="ij")
        cut = ndimage.map_coordinates(values, grids, order=1, mode="nearest", output=np.float64)
        down, across = _PLANES[plane]
        cuts.append(cut.reshape(dots[down], dots[across]))
    return cuts


def _side_by_side(cuts: list[Floats]) -> Floats:
    """Join planes to one picture; each goes on beyond its borders, so that no outline runs along them."""
    tall = max(len(cut) for cut in cuts)
    return np.hstack([np.pad(cut, ((_PAD, _PAD + tall - len(cut)), (_PAD, _PAD)), mode="edge") for cut in cuts])


def _apart(whole: NDArray[np.uint8], cuts: list[Floats]) -> list[NDArray[np.uint8]]:
    """Undo `_side_by_side`."""
    pictures, left = [], 0
    for cut in cuts:
        down, across = cut.shape
        pictures.append(whole[_PAD : _PAD + down, left + _PAD : left + _PAD + across])
        left += across + 2 * _PAD
    return pictures


def _span(planes: Planes, plane: str) -> tuple[int, int]:
    down, across = planes.pictures[plane].shape[:2]
    return down, across


def _draw(axes: Axes, planes: Planes, plane: str, theme: Theme) -> None:
    down, across = _span(planes, plane)
    axes.imshow(planes.pictures[plane], interpolation="antialiased", aspect="auto", extent=(0, 1, 0, 1))
    axes.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
    for spine in axes.spines.values():
        spine.set(color=theme.line, linewidth=points(1))
    # on bone and on air alike
    shadow: list[AbstractPathEffect] = [withStroke(linewidth=points(2.5), foreground="black", alpha=0.6)]
    y, x = planes.places[plane]
    length = 0.035
    for start in (0.0, 1 - length):
        for ends in (((x, x), (start, start + length)), ((start, start + length * down / across), (1 - y, 1 - y))):
            (tick,) = axes.plot(*ends, color="white", linewidth=points(1.25), path_effects=shadow)
            tick.set_solid_capstyle("butt")
    for letter, (u, v) in _SIDES[plane].items():
        inwards = ((1 - 2 * u) * points(6), (1 - 2 * v) * points(6))
        text = axes.annotate(
            letter,
            (u, v),
            inwards,
            textcoords="offset points",
            ha={0.0: "left", 1.0: "right"}.get(u, "center"),
            va={0.0: "bottom", 1.0: "top"}.get(v, "center"),
            **lettering("white", 13, bold=True),
        )
        text.set_path_effects(shadow)


def _caption(planes: Planes, plane: str) -> str:
    axis = _CUTS.index(plane)
    what = ("slice", "row", "column")[axis]
    return f"{plane}, {what} {planes.at[axis] + 1} of {planes.shape[axis]}"


def _say(figure: Figure, left: float, top: float, text: str, style: Mapping[str, Any]) -> None:
    x, y, _, _ = box(figure, left, top, 0, 0)
    figure.text(x, y, text, va="top", **style)


def _volume(name: str, values: ArrayLike) -> Singles:
    array = np.asarray(values, np.float32)
    if array.ndim != 3 or not array.size:
        raise ShapeError(f"{name} must be (D, H, W), got {array.shape}; of several classes choose one")
    return array
