"""A sheet of a strategy: the cases that are most typical of it, as they are and with their maps."""

import textwrap
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sightline.errors import DataError
from sightline.evaluation.audit.maps.strategy_files import Strategy
from sightline.evaluation.maps import CaseMap
from sightline.reporting.gallery import SMOOTH
from sightline.reporting.overlay import Floats, heatmap_overlay
from sightline.reporting.themes import LIGHT, Theme, box, lettering, new_figure
from sightline.reporting.words import percent

_MARGIN, _GAP, _TITLE, _LINE, _CAPTION = 14.0, 10.0, 30.0, 18.0, 24.0  # CSS pixels
_LEAST = 100.0  # side of a tile, at least
_KINDS = 4  # classes or sources that are named


def strategy_figure(
    strategy: Strategy, maps: Mapping[str, CaseMap], *, theme: Theme = LIGHT, width: float = 1016
) -> Figure:
    """Draw the typical cases of a strategy side by side: the image, below it the same with its map.

    Of a volume the slice is shown that holds most relevance, whatever its sign.

    Args:
        strategy: with the names of its typical cases.
        maps: of the cases, by name.
        theme: colours.
        width: of the figure in CSS pixels.

    Raises:
        DataError: a typical case has no map, or there is none.
    """
    if not strategy.typical:
        raise DataError(f"{strategy.name} has no typical case to show")
    if missing := [case for case in strategy.typical if case not in maps]:
        raise DataError(f"the map of case {missing[0]} is not there; audit again")
    room = width - 2 * _MARGIN
    across = min(len(strategy.typical), max(1, int((room + _GAP) // (_LEAST + _GAP))), 8)
    tile = min((room - _GAP * (across - 1)) / across, 200.0)
    step = 2 * tile + _GAP / 2 + _CAPTION + _GAP
    rows = -(-len(strategy.typical) // across)
    head = _wrapped(_told(strategy), room, 13)
    outlined = any(np.isfinite(maps[case].region).all() for case in strategy.typical)
    key = "red speaks for the answer, blue against it" + ("; yellow: where it may look" if outlined else "")
    foot = _wrapped([key], room, 12)
    start = _MARGIN + _TITLE + _LINE * len(head) + 10
    end = start + rows * step
    figure = new_figure(width, end + _LINE * len(foot) + 8, theme)
    count = f"{strategy.cases} cases" if strategy.cases != 1 else "1 case"
    title = f"{strategy.name[:1].upper()}{strategy.name[1:]}, {count}"
    _say(figure, _MARGIN, _MARGIN, title, theme.ink, 18, bold=True)
    for line, text in enumerate(head):
        _say(figure, _MARGIN, _MARGIN + _TITLE + _LINE * line, text, theme.muted, 13)
    for index, case in enumerate(strategy.typical):
        row, column = divmod(index, across)
        _draw(figure, case, maps[case], _MARGIN + column * (tile + _GAP), start + row * step, tile, theme)
    for line, text in enumerate(foot):
        _say(figure, _MARGIN, end + _LINE * line, text, theme.muted, 12)
    return figure


def _told(strategy: Strategy) -> list[str]:
    """What stands above the images."""
    lines = [_named("answered", strategy.answered), _named("from", strategy.sources)]
    if np.isfinite(strategy.inside.value):
        share, area = percent(strategy.inside.value), percent(strategy.area.value)
        lines.insert(0, f"{share} of the relevance lies inside the region, which covers {area} of the image")
    return [line for line in lines if line]


def _wrapped(lines: list[str], width: float, size: float) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, int(width / (0.56 * size)))]


def _named(word: str, counts: Mapping[str, int]) -> str:
    parts = [f"{name} {count}" for name, count in list(counts.items())[:_KINDS]]
    more = len(counts) - len(parts)
    return f"{word} {', '.join(parts)}{f' and {more} more' if more else ''}" if parts else ""


def _draw(figure: Figure, case: str, drawn: CaseMap, left: float, top: float, tile: float, theme: Theme) -> None:
    image, attribution, region, note = _plane(drawn)
    bare = heatmap_overlay(image, region=region, size=2 * round(tile))
    over = heatmap_overlay(image, attribution, region, size=2 * round(tile), smooth=SMOOTH)
    for row, picture in enumerate((bare, over)):
        axes = figure.add_axes(box(figure, left, top + row * (tile + _GAP / 2), tile, tile))
        axes.set_axis_off()
        axes.imshow(picture, interpolation="antialiased")
        axes.set_anchor("N")
    letters = int(tile / 6.2)
    words = f"{case}, {note}" if note else case
    shown = words if len(words) <= letters else f"{words[: letters - 1]}\N{HORIZONTAL ELLIPSIS}"
    _say(figure, left, top + 2 * tile + _GAP / 2 + 5, shown, theme.ink, 11)


def _plane(drawn: CaseMap) -> tuple[Floats, Floats, Floats, str]:
    """Image `(C, H, W)`, map and region `(H, W)`, and of a volume which slice it is."""
    image, attribution = np.clip(drawn.image, 0, 1).astype(float), drawn.attribution.astype(float)
    region: NDArray[np.float64] = drawn.region[0].astype(float)
    if attribution.ndim == 1:
        return image[:, None], attribution[None], region[None], ""
    if attribution.ndim == 2:
        return image, attribution, region, ""
    most = int(np.abs(attribution).sum((1, 2)).argmax())
    return image[:, most], attribution[most], region[most], f"slice {most + 1} of {len(attribution)}"


def _say(figure: Figure, left: float, top: float, text: str, color: str, size: float, *, bold: bool = False) -> None:
    x, y, _, _ = box(figure, left, top, 0, 0)
    figure.text(x, y, text, va="top", **lettering(color, size, bold=bold))
