"""A contact sheet: one row a case, one column a method, on pages that can be printed and read on a screen."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from sightline.errors import DataError
from sightline.reporting.themes import CSS_PIXEL, LIGHT, Theme, box, lettering, new_figure, save_figure
from sightline.showing import AGAINST, FOR

_MM = 96 / 25.4  # CSS pixels
_PAPERS = ((210, 297), (297, 210), (420, 297), (594, 420), (841, 594), (1189, 841))  # ISO 216, A4 upright to A0, mm
_MARGIN, _GAP = 12 * _MM, 2 * _MM
_LEAST, _MOST = 26 * _MM, 48 * _MM  # side of a tile
_TITLE, _LINE, _ABOVE, _BELOW = 9 * _MM, 4.2 * _MM, 3 * _MM, 0.8 * _MM  # heights: heading, line, around a row's words
_DAGGER = "\N{DAGGER}"
_LETTER, _BOLD = 0.56, 0.64  # mean width of a letter as a share of its height
_SIZE = 12  # of letters, CSS pixels


@dataclass(frozen=True)
class SheetColumn:
    """A method.

    Attributes:
        title: its name, two lines at most.
        caveat: why not to trust it; empty where there is nothing to say.
    """

    title: str
    caveat: str = ""


@dataclass(frozen=True)
class SheetRow:
    """A case.

    Attributes:
        case: its name.
        words: what was explained, and what the model answered.
        image: file of the bare image.
        maps: file of each column's picture; None where there is none.
    """

    case: str
    words: str
    image: Path
    maps: tuple[Path | None, ...]


@dataclass(frozen=True)
class _Grid:
    """How a page is divided, in CSS pixels; `lines` is how many a row's words take."""

    tile: float
    columns: int
    rows: int
    lines: int
    head: float
    key: float

    @property
    def width(self) -> float:
        return self.columns * (self.tile + _GAP) - _GAP

    def left(self, column: int) -> float:
        return _MARGIN + column * (self.tile + _GAP)

    def top(self, row: int) -> float:
        return _MARGIN + self.head + row * (_caption(self.lines) + self.tile)


def contact_sheet(
    rows: Sequence[SheetRow],
    columns: Sequence[SheetColumn],
    *,
    title: str,
    notes: Sequence[str] = (),
    theme: Theme = LIGHT,
) -> Iterator[Figure]:
    """Draw the pages, one after the other.

    A page is of the smallest ISO paper, from A4 on, on which a tile is no smaller than 26 mm, and no larger than its
    tiles need.

    Args:
        rows: cases, each with a file for every column.
        columns: methods.
        title: heading of every page.
        notes: further lines at its foot.
        theme: colours.

    Raises:
        DataError: there is no row, or a row has another number of maps.
    """
    if not rows or not columns:
        raise DataError("a contact sheet needs at least one case and one method, got none")
    for row in rows:
        if len(row.maps) != len(columns):
            raise DataError(f"every row of a contact sheet needs {len(columns)} maps; {row.case} has {len(row.maps)}")
    key = _key_lines(columns, notes)
    grid = _divide(rows, columns, len(key))
    pages = _pages(rows, grid)
    for number, part in enumerate(pages, start=1):
        heading = f"{title}, page {number} of {len(pages)}" if len(pages) > 1 else title
        yield _page(part, columns, grid, heading, key, theme)


def write_contact_sheet(
    path: Path,
    rows: Sequence[SheetRow],
    columns: Sequence[SheetColumn],
    *,
    title: str,
    notes: Sequence[str] = (),
    theme: Theme = LIGHT,
) -> list[Path]:
    """Write the pages as PNG, atomically: `path` alone, or with `-1`, `-2`, ... before its suffix.

    Pages of an earlier sheet under this name are removed.

    Returns:
        The files.
    """
    count = len(_pages(rows, _divide(rows, columns, len(_key_lines(columns, notes)))))
    pages = contact_sheet(rows, columns, title=title, notes=notes, theme=theme)
    files = []
    for number, figure in enumerate(pages, start=1):
        files.append(path.with_stem(f"{path.stem}-{number:0{len(str(count))}d}") if count > 1 else path)
        save_figure(figure, files[-1])
    for old in (path, *path.parent.glob(f"{path.stem}-*{path.suffix}")):
        if old not in files and old.stem.removeprefix(path.stem).lstrip("-").isdigit() | (old == path):
            old.unlink(missing_ok=True)
    return files


def _pages(rows: Sequence[SheetRow], grid: _Grid) -> list[Sequence[SheetRow]]:
    return [rows[start : start + grid.rows] for start in range(0, len(rows), grid.rows)]


def _divide(rows: Sequence[SheetRow], columns: Sequence[SheetColumn], key_lines: int) -> _Grid:
    """Choose the paper and the size of a tile; the first column is the image."""
    count = 1 + len(columns)
    for width, height in _PAPERS:  # noqa: B007 - the height of the paper that was chosen
        tile = min(_MOST, (width * _MM - 2 * _MARGIN + _GAP) / count - _GAP)
        if tile >= _LEAST:
            break
    tile = max(tile, _LEAST)
    wide = _fitting(count * (tile + _GAP) - _GAP)
    fit = all(len(row.case + row.words) + 3 <= wide for row in rows)
    lines = 1 if fit else 1 + max(len(textwrap.wrap(row.words, wide)) for row in rows)
    head = _TITLE + _LINE * max(len(_title_lines(column, tile)) for column in columns)
    key = 4 * _MM + _LINE * key_lines
    fitting = int((height * _MM - 2 * _MARGIN - head - key) // (tile + _caption(lines)))
    return _Grid(tile, count, max(1, fitting), lines, head, key)


def _caption(lines: int) -> float:
    return _ABOVE + lines * _LINE + _BELOW


def _page(
    rows: Sequence[SheetRow],
    columns: Sequence[SheetColumn],
    grid: _Grid,
    heading: str,
    key: Sequence[str],
    theme: Theme,
) -> Figure:
    bottom = grid.top(len(rows))
    figure = new_figure(grid.width + 2 * _MARGIN, bottom + grid.key + _MARGIN, theme)
    _write(figure, heading, _MARGIN, _MARGIN, grid.width, lettering(theme.ink, 16, bold=True))
    for number, column in enumerate((SheetColumn("Image"), *columns)):
        lines = _title_lines(column, grid.tile)
        size = min(_SIZE, grid.tile / (_BOLD * max(map(len, lines))))
        for line, text in enumerate(reversed(lines)):
            x, y, _, _ = box(figure, grid.left(number), grid.top(0) - line * _LINE, 0, 0)
            figure.text(x, y, text, va="bottom", **lettering(theme.ink, size, bold=True))
    for number, row in enumerate(rows):
        words = [] if grid.lines == 1 else textwrap.wrap(row.words, _fitting(grid.width))
        top = grid.top(number) + _ABOVE + (grid.lines - 1 - len(words)) * _LINE  # close to the tiles
        end = _write(figure, row.case, _MARGIN, top, grid.width, lettering(theme.ink, _SIZE)) + _GAP
        style = lettering(theme.muted, _SIZE)
        if grid.lines == 1:
            _write(figure, row.words, end, top, _MARGIN + grid.width - end, style)
        for line, text in enumerate(words, start=1):
            _write(figure, text, _MARGIN, top + line * _LINE, grid.width, style)
        for place, file in enumerate((row.image, *row.maps)):
            if file is not None:
                where = (grid.left(place), grid.top(number) + _caption(grid.lines), grid.tile, grid.tile)
                axes = figure.add_axes(box(figure, *where))
                axes.set_axis_off()
                axes.imshow(_picture(file, round(2 * grid.tile)), interpolation="none")
    _key(figure, bottom + 4 * _MM, key, grid.width, theme)
    return figure


def _picture(file: Path, side: int) -> NDArray[np.uint8]:
    """The picture of a file, its longest side as long as it is printed."""
    with Image.open(file) as stored:
        picture = stored.convert("RGB")
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def _title_lines(column: SheetColumn, tile: float) -> list[str]:
    most = int(tile / (_SIZE * _BOLD))
    return textwrap.wrap(
        column.title + _DAGGER * bool(column.caveat), most, break_long_words=False, break_on_hyphens=False
    )


def _key_lines(columns: Sequence[SheetColumn], notes: Sequence[str]) -> list[str]:
    caveats = dict.fromkeys(column.caveat for column in columns if column.caveat)
    told = [f"{_DAGGER} {caveat}" for caveat in caveats]
    return ["red: for the class, blue: against it", "each map has a scale of its own", *notes, *told]


def _key(figure: Figure, top: float, lines: Sequence[str], width: float, theme: Theme) -> None:
    ramp = figure.add_axes(box(figure, _MARGIN, top + 0.5 * _MM, 26 * _MM, 3 * _MM))
    scale = np.linspace(-1, 1, 193)[None, :, None]
    ramp.set_axis_off()
    ramp.imshow((1 - np.abs(scale)) * 0.45 + np.abs(scale) * np.where(scale > 0, FOR, AGAINST) / 255, aspect="auto")
    for number, text in enumerate(lines):
        left, style = _MARGIN + 29 * _MM, lettering(theme.muted, _SIZE)
        _write(figure, text, left, top + number * _LINE, width - 29 * _MM, style)


def _fitting(width: float) -> int:
    """How many letters fit."""
    return int(width / (_LETTER * _SIZE))


def _write(figure: Figure, text: str, left: float, top: float, width: float, style: dict[str, Any]) -> float:
    """Write a line, its middle left out where it would be too long; return where it ends, in CSS pixels."""
    most = _fitting(width)
    if len(text) > most:
        text = f"{text[: most - most // 2 - 1]}\N{HORIZONTAL ELLIPSIS}{text[-(most // 2) :]}"
    x, y, _, _ = box(figure, left, top, 0, 0)
    extent = figure.text(x, y, text, va="top", **style).get_window_extent()
    return float(extent.x1) / figure.dpi / CSS_PIXEL
