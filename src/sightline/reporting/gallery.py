"""The heatmap gallery as one picture: image, then what each recipe saw in it, a case a row."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sightline.errors import DataError
from sightline.reporting.content import condition_words
from sightline.reporting.gallery_rows import GalleryMap, GalleryRow
from sightline.reporting.overlay import OUTLINE, heatmap_overlay
from sightline.reporting.themes import LIGHT, Theme, box, lettering, new_figure, points
from sightline.reporting.words import percent
from sightline.showing import AGAINST, FOR

SMOOTH = 0.008  # share of the longest side over which relevance is added up for the eye
GAP, CAPTION, HEAD, KEY = 12.0, 46.0, 34.0, 44.0


def check_gallery(rows: Sequence[GalleryRow]) -> tuple[str, ...]:
    """Return the recipes of a gallery.

    Raises:
        DataError: there is no row, or the rows show different recipes.
    """
    if not rows:
        raise DataError("a heatmap gallery needs at least one image, got none; explain some cases first")
    recipes = tuple(rows[0].by_recipe)
    for row in rows:
        if tuple(row.by_recipe) != recipes:
            raise DataError(f"every row of a gallery needs maps of {recipes}; {row.case} has others")
    return recipes


def gallery_figure(
    rows: Sequence[GalleryRow], *, region_name: str = "the region", theme: Theme = LIGHT, tile: float = 220
) -> Figure:
    """Draw the gallery, of each recipe its first map.

    Args:
        rows: cases, each with a map for the same recipes.
        region_name: what is inside the outline, with its article.
        theme: colours.
        tile: side of an image in CSS pixels.

    Raises:
        DataError: there is no row, or the rows show different recipes.
    """
    recipes = check_gallery(rows)
    columns = ("image", *recipes)
    width = GAP + len(columns) * (tile + GAP)
    figure = new_figure(width, HEAD + len(rows) * (tile + CAPTION) + KEY, theme)
    for column, name in enumerate(columns):
        x, y, _, _ = box(figure, GAP + column * (tile + GAP), HEAD / 2, 0, 0)
        figure.text(x, y, name, va="center", **lettering(theme.ink, 16, bold=True))
    for index, row in enumerate(rows):
        top = HEAD + index * (tile + CAPTION)
        picture = heatmap_overlay(row.image, size=2 * round(tile))
        _tile(figure, picture, GAP, top, tile, (f"true: {row.label}", condition_words(row.condition)[0].lower()), theme)
        for column, (shown, *_) in enumerate(row.by_recipe.values(), start=1):
            image = row.image if shown.image is None else shown.image
            region = row.region if shown.region is None else shown.region
            picture = heatmap_overlay(image, shown.attribution, region, size=2 * round(tile), smooth=SMOOTH)
            _tile(figure, picture, GAP + column * (tile + GAP), top, tile, _caption(row, shown, region_name), theme)
    _key(figure, HEAD + len(rows) * (tile + CAPTION), region_name, theme)
    return figure


def _caption(row: GalleryRow, shown: GalleryMap, region_name: str) -> tuple[str, str]:
    verdict = shown.judged(row.label)
    inside = f"{percent(shown.share_inside)} inside {region_name}" if np.isfinite(shown.share_inside) else ""
    return f"{shown.predicted}, {verdict}", inside


def _tile(
    figure: Figure,
    picture: NDArray[np.uint8],
    left: float,
    top: float,
    tile: float,
    lines: tuple[str, str],
    theme: Theme,
) -> None:
    axes = figure.add_axes(box(figure, left, top, tile, tile))
    axes.set_axis_off()
    axes.imshow(picture, interpolation="antialiased")
    axes.set_anchor("N")
    for line, (text, color) in enumerate(zip(lines, (theme.ink, theme.muted), strict=True)):
        x, y, _, _ = box(figure, left, top + tile + 6 + 17 * line, 0, 0)
        figure.text(x, y, text, va="top", **lettering(color, 13))


def _key(figure: Figure, top: float, region_name: str, theme: Theme) -> None:
    axes = figure.add_axes(box(figure, GAP, top + 8, 96, 12))
    _ramp(axes)
    for text, y in (("blue: against the predicted class, red: for it", 14), (f"outline: {region_name}", 34)):
        x, height, _, _ = box(figure, GAP + 106, top + y, 0, 0)
        figure.text(x, height, text, va="center", **lettering(theme.muted, 13))
    mark = figure.add_axes(box(figure, GAP, top + 28, 96, 12))
    mark.set_axis_off()
    mark.set_xlim(0, 1)
    mark.set_ylim(0, 1)
    mark.plot([0.05, 0.95], [0.5, 0.5], color=[part / 255 for part in OUTLINE], linewidth=points(2.5))


def _ramp(axes: Axes) -> None:
    scale = np.linspace(-1, 1, 193)[None, :, None]
    color = np.where(scale > 0, FOR, AGAINST) / 255
    alpha = np.abs(scale)
    axes.set_axis_off()
    axes.imshow((1 - alpha) * 0.45 + alpha * color, aspect="auto")
