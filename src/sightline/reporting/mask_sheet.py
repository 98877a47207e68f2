"""A sheet of masks laid over their images, with those to look at marked."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from sightline.errors import DataError
from sightline.reporting.overlay import heatmap_overlay
from sightline.reporting.themes import LIGHT, Theme, box, lettering, new_figure, save_figure

_TILE, _GAP, _MARGIN, _HEAD = 168, 14, 28, 64  # CSS pixels
_LINE, _LINES = 14, 4  # of a caption: height of a line, and how many
_COLUMNS, _ROWS = 6, 6
_LETTERS = 27  # that a line of a caption holds
_GIVEN = "#38bdf8"  # sky blue: apart from the yellow outline for colour-blind readers too


@dataclass(frozen=True)
class MaskTile:
    """A mask over its image.

    Attributes:
        case: name of the image.
        picture: the image with the mask outlined, `(h, w, 3)` uint8.
        given: a mask by another hand to compare with, bool `(h, w)`; None without one.
        words: said below.
        review: what is suspicious; empty where nothing is.
    """

    case: str
    picture: NDArray[np.uint8]
    given: NDArray[np.bool_] | None
    words: str
    review: tuple[str, ...]


def mask_tile(
    case: str, image: ArrayLike, mask: ArrayLike, given: ArrayLike | None, *, words: str, review: tuple[str, ...]
) -> MaskTile:
    """Draw a tile; image, mask and given mask are `(H, W)`, the image as `heatmap_overlay` takes it."""
    picture = heatmap_overlay(image, region=mask, size=2 * _TILE)
    small = None
    if given is not None:
        whole = Image.fromarray(np.asarray(given, bool).astype(np.uint8) * 255)
        small = np.asarray(whole.resize(picture.shape[1::-1], Image.Resampling.BOX)) > 127
    return MaskTile(case, picture, small, words, review)


def mask_sheet(tiles: Sequence[MaskTile], *, title: str, theme: Theme = LIGHT) -> Iterator[Figure]:
    """Draw the pages, 36 tiles each.

    Raises:
        DataError: there is no tile.
    """
    if not tiles:
        raise DataError("a sheet of masks needs at least one mask, got none")
    pages = _pages(tiles)
    for number, part in enumerate(pages, start=1):
        yield _page(part, f"{title}, page {number} of {len(pages)}" if len(pages) > 1 else title, theme)


def write_mask_sheet(path: Path, tiles: Sequence[MaskTile], *, title: str, theme: Theme = LIGHT) -> list[Path]:
    """Write the pages as PNG, atomically: `path` alone, or with `-1`, `-2`, ... before its suffix.

    Pages of an earlier sheet under this name are removed.

    Returns:
        The files.
    """
    count = len(_pages(tiles))
    files = []
    for number, figure in enumerate(mask_sheet(tiles, title=title, theme=theme), start=1):
        files.append(path.with_stem(f"{path.stem}-{number:0{len(str(count))}d}") if count > 1 else path)
        save_figure(figure, files[-1])
    for old in (path, *path.parent.glob(f"{path.stem}-*{path.suffix}")):
        if old not in files and (old == path or old.stem.removeprefix(f"{path.stem}-").isdigit()):
            old.unlink(missing_ok=True)
    return files


def _pages(tiles: Sequence[MaskTile]) -> list[Sequence[MaskTile]]:
    return [tiles[start : start + _COLUMNS * _ROWS] for start in range(0, len(tiles), _COLUMNS * _ROWS)]


def _page(tiles: Sequence[MaskTile], title: str, theme: Theme) -> Figure:
    down = -(-len(tiles) // _COLUMNS)
    step = _TILE + _GAP + _LINES * _LINE
    width = 2 * _MARGIN + _COLUMNS * (_TILE + _GAP) - _GAP
    figure = new_figure(width, _MARGIN + _HEAD + down * step, theme)
    x, y, _, _ = box(figure, _MARGIN, _MARGIN, 0, 0)
    figure.text(x, y, title, va="top", **lettering(theme.ink, 18, bold=True))
    key = "yellow: the mask"
    key += ", blue and dotted: the mask there was" if any(tile.given is not None for tile in tiles) else ""
    key += "; framed: to be looked at" if any(tile.review for tile in tiles) else ""
    x, y, _, _ = box(figure, _MARGIN, _MARGIN + 28, 0, 0)
    figure.text(x, y, key, va="top", **lettering(theme.muted, 12))
    for index, tile in enumerate(tiles):
        row, column = divmod(index, _COLUMNS)
        _draw(figure, tile, _MARGIN + column * (_TILE + _GAP), _MARGIN + _HEAD + row * step, theme)
    return figure


def _draw(figure: Figure, tile: MaskTile, left: float, top: float, theme: Theme) -> None:
    axes = figure.add_axes(box(figure, left, top, _TILE, _TILE))
    height, width = tile.picture.shape[:2]
    axes.imshow(tile.picture, interpolation="none")
    if tile.given is not None and tile.given.any() and not tile.given.all():
        axes.contour(tile.given, [0.5], colors=[_GIVEN], linewidths=0.9, linestyles="dotted")
    axes.set(xticks=[], yticks=[], xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    for spine in axes.spines.values():
        spine.set(visible=bool(tile.review), color=theme.others[1], linewidth=2.5)
    name = tile.case if len(tile.case) <= _LETTERS else f"{tile.case[: _LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"
    said = textwrap.wrap("; ".join(tile.review), _LETTERS, max_lines=2, placeholder=" \N{HORIZONTAL ELLIPSIS}")
    lines = [(name, theme.ink), (tile.words, theme.muted), *((text, theme.others[1]) for text in said)]
    for line, (text, color) in enumerate(lines):
        x, y, _, _ = box(figure, left, top + _TILE + 3 + line * _LINE, 0, 0)
        figure.text(x, y, text, va="top", **lettering(color, 10))
