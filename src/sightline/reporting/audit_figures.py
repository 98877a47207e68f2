"""Figures of an audit: how much relevance lies inside, and whether Grad-CAM and LRP agree on it."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from sightline.errors import DataError
from sightline.evaluation.audit.looking import AREA, SHARE
from sightline.evaluation.audit.maps.case_table import read_case_table
from sightline.evaluation.audit.maps.share_inside import AT_LEAST_HALF, HARDLY_ANY, concentration
from sightline.evaluation.audit.section import Section
from sightline.metrics.intervals import Interval
from sightline.reporting.themes import LIGHT, Mark, Theme, box, lettering, marks, new_figure, points

NARROW = 560  # CSS pixels; below, names stand above their rows instead of beside them
_STEP, _HEAD, _FOOT, _NAMES = 17.0, 34.0, 46.0, 190.0  # CSS pixels
_LETTER, _LONGEST = 8.5, 32  # CSS pixels; letters of a name that are shown beside its row


def shares_inside_figure(section: Section, *, theme: Theme = LIGHT, width: float = 880) -> Figure:
    """Draw the share of relevance inside the region as a dot with its interval: all cases, each class, each source.

    A short line is the area of the region, which a map scores that is spread evenly. Each method has a shape and a
    colour; the first, filled, is the one that the verdict rests on.

    Args:
        section: of the part `looking`.
        theme: colours.
        width: of the figure in CSS pixels; below 560 it is laid out for a phone.

    Raises:
        DataError: the section has no such numbers.
    """
    found = _by_group(section)
    methods = list(next(iter(found.values()))[0])
    given = marks([(name, index == 0) for index, name in enumerate(methods)], theme)
    narrow = width < NARROW
    row = _STEP * len(methods) + (34 if narrow else 18)
    head = _HEAD + (22 * len(methods) if narrow else 0)
    beside = max(_NAMES, 12 + _LETTER * min(_LONGEST, max(map(len, found))))
    left, right = (18.0, 26.0) if narrow else (beside, 24.0)
    figure = new_figure(width, head + row * len(found) + _FOOT, theme)
    axes = figure.add_axes(box(figure, left, head, width - left - right, row * len(found)))
    _ground(axes, theme)
    axes.set(xlim=(0, 1), ylim=(row * len(found), 0))
    axes.set_xlabel("relevance inside the region", labelpad=6, **lettering(theme.muted, 12))
    for index, (group, (shares, area)) in enumerate(found.items()):
        top = row * index + (22 if narrow else 5)
        _group_name(axes, group or "all cases", row * index, row, theme, narrow=narrow)
        bottom = top + _STEP * len(methods)
        axes.plot(
            [area.value] * 2, [top, bottom], color=theme.ink, linewidth=points(2), solid_capstyle="butt", zorder=2
        )
        for line, method in enumerate(methods):
            _dot(axes, shares[method], top + _STEP * (line + 0.5), given[method], theme)
        if index:
            axes.axhline(row * index, color=theme.line, linewidth=points(1), zorder=0)
    _legend(figure, given, width, theme, narrow=narrow)
    return figure


@dataclass(frozen=True, eq=False)
class CamPoints:
    """Where two methods look, case by case.

    Attributes:
        cam: concentration of the class activation map, `(N,)`; see `share_inside.concentration`.
        other: that of the other method, `(N,)`.
        hidden: 1 where the map hides something, 0 where not, NaN where unknown, `(N,)`.
        names: of the two methods.
    """

    cam: NDArray[np.float64]
    other: NDArray[np.float64]
    hidden: NDArray[np.float64]
    names: tuple[str, str] = ("Grad-CAM", "LRP")


def read_cam_points(folder: Path, *, names: tuple[str, str] = ("Grad-CAM", "LRP")) -> CamPoints:
    """Read what the part `agreement` measured of each case.

    Args:
        folder: of the audit.
        names: of the two methods.

    Raises:
        DataNotFoundError: the audit has no such table.
        DataError: the methods are not in it.
    """
    table = read_case_table(folder, "agreement")
    wanted = ("area", *(f"inside {name}" for name in names), "hidden")
    if missing := [name for name in wanted if name not in table]:
        raise DataError(f"the table of the part agreement has no column {missing[0]}; it has {', '.join(table)}")
    area, cam, other, hidden = (np.array([float(cell or "nan") for cell in table[name]]) for name in wanted)
    return CamPoints(concentration(cam, area), concentration(other, area), hidden, names)


def cam_figure(found: CamPoints, *, theme: Theme = LIGHT, width: float = 560) -> Figure:
    """Draw each case as a dot: how far the class activation map is inside the region, and how far the other method is.

    In the tinted corner the one looks clean and the other does not. Cases that hide something are filled diamonds.

    Args:
        found: the cases.
        theme: colours.
        width: of the figure in CSS pixels.

    Raises:
        DataError: there is no case of which both are known.
    """
    known = ~(np.isnan(found.cam) | np.isnan(found.other))
    if not known.any():
        raise DataError("there is no case of which both maps and the region are known")
    first, second = found.names
    hidden = known & (found.hidden > 0)
    told = (
        f"{int(hidden.sum())} of {int(known.sum())} cases hide something (diamonds)",
        f"tinted: {first} looks clean, {second} does not; dashed: a map spread evenly",
    )
    words = [part for text in told for part in textwrap.wrap(text, int((width - 28) / 6.9))]
    left, right, head, foot = 66.0, 18.0, 24.0 + 18 * len(words), 56.0
    side = width - left - right
    figure = new_figure(width, side + head + foot, theme)
    axes = figure.add_axes(box(figure, left, head, side, side))
    least = float(min(0.0, found.cam[known].min(), found.other[known].min())) - 0.05
    ticks = np.arange(np.ceil(least / 0.5) * 0.5, 1.01, 0.5 if width < NARROW - 60 else 0.25)
    axes.set(xlim=(least, 1.03), ylim=(least, 1.03), xticks=ticks, yticks=ticks)
    _ground(axes, theme, both=True)
    warm = theme.others[1]
    corner = Rectangle((AT_LEAST_HALF, least), 1.03 - AT_LEAST_HALF, HARDLY_ANY - least, color=warm, alpha=0.14, lw=0)
    axes.add_patch(corner)
    for even in (axes.axhline, axes.axvline):
        even(0, color=theme.muted, linewidth=points(1.25), linestyle=(0, (4, 3)), zorder=1.5)
    plain: dict[str, Any] = {"markersize": points(6.5), "markeredgewidth": points(1.25), "linestyle": ""}
    shown = known & ~hidden
    axes.plot(found.cam[shown], found.other[shown], "o", color=theme.paper, markeredgecolor=theme.accent, **plain)
    axes.plot(found.cam[hidden], found.other[hidden], "D", color=warm, markeredgecolor=theme.ink, zorder=4, **plain)
    axes.set_xlabel(f"{first}: concentration inside", labelpad=6, **lettering(theme.muted, 12))
    axes.set_ylabel(f"{second}: concentration inside", labelpad=6, **lettering(theme.muted, 12))
    for line, text in enumerate(words):
        x, y, _, _ = box(figure, 14, 14 + 18 * line, 0, 0)
        figure.text(x, y, text, va="top", **lettering(theme.ink if line == 0 else theme.muted, 12))
    return figure


def _by_group(section: Section) -> dict[str, tuple[dict[str, Interval], Interval]]:
    """By group: the share inside by method, and the area."""
    areas = {number.of: number.interval for number in section.numbers if number.name == AREA}
    shares: dict[str, dict[str, Interval]] = {}
    for number in section.numbers:
        if number.name.startswith(f"{SHARE}, "):
            shares.setdefault(number.of, {})[number.name.removeprefix(f"{SHARE}, ")] = number.interval
    found = {
        group: (of, areas[group]) for group, of in shares.items() if group in areas and np.isfinite(areas[group].value)
    }
    if not found:
        raise DataError(f"the section {section.name} holds no shares of relevance inside a region")
    every = next(iter(found.values()))[0]
    nothing = Interval(np.nan, np.nan, np.nan, 0, "")
    return {group: ({name: of.get(name, nothing) for name in every}, area) for group, (of, area) in found.items()}


def _dot(axes: Axes, found: Interval, at: float, mark: Mark, theme: Theme) -> None:
    if not np.isfinite(found.value):
        return
    if np.isfinite(found.low):
        axes.plot(
            [found.low, found.high], [at, at], color=mark.color, linewidth=points(2), solid_capstyle="butt", zorder=3
        )
    face = mark.color if mark.filled else theme.paper
    outline: dict[str, Any] = {"markeredgecolor": mark.color, "markeredgewidth": points(1.75)}
    axes.plot(found.value, at, mark.shape, color=face, markersize=points(8), zorder=4, clip_on=False, **outline)


def _group_name(axes: Axes, name: str, top: float, row: float, theme: Theme, *, narrow: bool) -> None:
    style = lettering(theme.ink, 13, bold=name == "all cases")
    where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    if narrow:
        axes.annotate(name, (0, top), (0, -points(5)), va="top", **where, **style)
    else:
        shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
        axes.annotate(shown, (0, top + row / 2), (-points(12), 0), ha="right", va="center", **where, **style)


def _legend(figure: Figure, given: Mapping[str, Mark], width: float, theme: Theme, *, narrow: bool) -> None:
    """One entry a method, and one for the even map; side by side, or one below the other on a phone."""
    left, top = 14.0, 14.0
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.patch.set_visible(False)
    height = figure.get_size_inches()[1] * 96
    axes.set(xlim=(0, width), ylim=(height, 0))
    for name, mark in (*given.items(), ("a map spread evenly", None)):
        if mark is None:
            axes.plot([left + 5] * 2, [top - 6, top + 6], color=theme.ink, linewidth=points(2), solid_capstyle="butt")
        else:
            face = mark.color if mark.filled else theme.paper
            outline: dict[str, Any] = {"markeredgecolor": mark.color, "markeredgewidth": points(1.75)}
            axes.plot(left + 5, top, mark.shape, color=face, markersize=points(8), **outline)
        axes.text(left + 16, top, name, va="center_baseline", **lettering(theme.muted, 12))
        if narrow:
            top += 22
        else:
            left += 16 + 6.6 * len(name) + 26


def _ground(axes: Axes, theme: Theme, *, both: bool = False) -> None:
    axes.set_facecolor(theme.paper)
    for name, side in axes.spines.items():
        side.set_visible(name == "bottom" or (both and name == "left"))
        side.set(color=theme.line, linewidth=points(1))
    axes.grid(visible=True, axis="both" if both else "x", color=theme.line, linewidth=points(1))
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=theme.muted, pad=6)
    if not both:
        axes.set_yticks([])
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], [f"{share} %" for share in (0, 25, 50, 75, 100)])
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set(**lettering(theme.muted, 12))
