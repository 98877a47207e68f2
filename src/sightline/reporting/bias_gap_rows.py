"""The bias-gap chart of many recipes: a row each, where lines side by side would run into one another."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sightline.reporting.content import GapRow, Score, condition_words
from sightline.reporting.themes import CSS_PIXEL, LIGHT, Theme, box, lettering, new_figure, points
from sightline.reporting.words import change_words

TICKS = (0, 0.25, 0.5, 0.75, 1)
NARROW = 560  # CSS pixels; below, names stand above their rows instead of beside them
_SHAPES = "osDv^P"  # of the conditions
_LETTER = 8.4  # CSS pixels that a bold letter of 13 takes, about


def bias_gap_rows_figure(
    gaps: Sequence[GapRow],
    *,
    metric: str,
    chance: float | None = None,
    theme: Theme = LIGHT,
    width: float = 880,
    title: str = "",
) -> Figure:
    """Draw a row a recipe with a mark for each condition; the tinted band is how far it moves without the bias.

    The first condition is filled. Bars are intervals; guided recipes are in colour.

    Args:
        gaps: at least one recipe, each with scores in [0, 1] for the same conditions in the same order.
        metric: name of the score.
        chance: what guessing scores; None draws no line.
        theme: colours.
        width: of the figure in CSS pixels; below 560 it is laid out for a phone.
        title: drawn above the chart, for a figure that stands alone.
    """
    narrow = width < NARROW
    step = 46.0 if narrow else 32.0
    names = min(max(len(row.recipe) for row in gaps) * _LETTER + 18, 0.3 * width)
    left, right = (14.0, 14.0) if narrow else (names, 186.0)
    conditions = list(gaps[0].scores)
    keys = _keys(conditions, width - 8)
    head = (38 if title else 0) + 24 * len(keys) + 14
    tall = step * len(gaps)
    figure = new_figure(width, head + tall + 48, theme)
    axes = figure.add_axes(box(figure, left, head, width - left - right, tall))
    _ground(axes, tall, metric, chance, theme)
    for index, row in enumerate(gaps):
        _row(axes, row, step * index + (step - 14 if narrow else step / 2), theme)
        room = width - left - right if narrow else left - 16
        _words(axes, row, step * index + (12 if narrow else step / 2), room, theme, narrow=narrow)
    _legend(figure, keys, conditions, 38 if title else 4, theme)
    if title:
        x, y, _, _ = box(figure, 4, 16, 0, 0)
        figure.text(x, y, title, va="center", **lettering(theme.ink, 17, bold=True))
    return figure


def _ground(axes: Axes, tall: float, metric: str, chance: float | None, theme: Theme) -> None:
    axes.set_facecolor(theme.paper)
    axes.set(xlim=(-0.02, 1.02), ylim=(tall, 0))
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0, pad=points(6))
    axes.set_yticks([])
    axes.set_xticks(TICKS, ["0", "0.25", "0.50", "0.75", "1"], **lettering(theme.muted, 12))
    axes.set_xlabel(metric, labelpad=points(4), **lettering(theme.muted, 12))
    axes.vlines(TICKS, 0, tall, color=theme.line, linewidth=points(1), zorder=0)
    if chance is not None:
        axes.vlines(chance, 0, tall, color=theme.muted, linewidth=points(1), linestyle=(0, (2, 3)), zorder=1)
        at: dict[str, Any] = {
            "xycoords": ("data", "axes fraction"),
            "textcoords": "offset points",
            "va": "bottom",
            "ha": "center",
        }
        axes.annotate("chance", (chance, 1), (0, points(1)), annotation_clip=False, **at, **lettering(theme.muted, 11))


def _row(axes: Axes, row: GapRow, y: float, theme: Theme) -> None:
    color = theme.accent if row.guided else theme.plain
    ends = [row.scores[condition].value for condition in ("on", "off") if condition in row.scores]
    if len(ends) == 2 and np.isfinite(ends).all():
        axes.plot(ends, [y, y], color=color, alpha=0.18, linewidth=points(13), solid_capstyle="round", zorder=1)
    for index, score in enumerate(row.scores.values()):
        _dot(axes, score, y, color, _SHAPES[index % len(_SHAPES)], theme, filled=index == 0)


def _dot(axes: Axes, score: Score, y: float, color: str, shape: str, theme: Theme, *, filled: bool) -> None:
    if not np.isfinite(score.value):
        return
    if score.has_interval:
        axes.plot([score.low, score.high], [y, y], color=color, linewidth=points(1.75), solid_capstyle="butt", zorder=2)
    axes.plot(
        score.value, y, shape, markersize=points(9), markeredgecolor=color, markeredgewidth=points(2), clip_on=False,
        markerfacecolor=color if filled else theme.paper, zorder=5 if filled else 4,
    )  # fmt: skip


def _words(axes: Axes, row: GapRow, y: float, room: float, theme: Theme, *, narrow: bool) -> None:
    """Name the row, and say what becomes of its score: at its ends, or above it on a phone."""
    beside: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center"}
    beside["annotation_clip"] = False
    color = theme.accent if row.guided else theme.ink
    change = change_words(row)
    if narrow:
        name = _cut(row.recipe, room - len(change) * 6.4 - 8)
        axes.annotate(name, (0, y), (0, 0), **beside, **lettering(color, 13, bold=True))
        axes.annotate(change, (1, y), (0, 0), ha="right", **beside, **lettering(theme.muted, 12))
        return
    name = _cut(row.recipe, room)
    axes.annotate(name, (0, y), (points(-12), 0), ha="right", **beside, **lettering(color, 13, bold=True))
    axes.annotate(change, (1, y), (points(14), 0), **beside, **lettering(theme.muted, 13))


def _cut(name: str, room: float) -> str:
    letters = max(6, int(room / _LETTER))
    return name if len(name) <= letters else f"{name[: letters - 1]}\N{HORIZONTAL ELLIPSIS}"


def _keys(conditions: Sequence[str], width: float) -> list[list[tuple[int, float]]]:
    """Lay the conditions out in lines: which, and how far from the left."""
    lines: list[list[tuple[int, float]]] = [[]]
    left = 8.0
    for index, condition in enumerate(conditions):
        wide = 24 + 7.6 * len(condition_words(condition)[0]) + 18
        if lines[-1] and left + wide > width:
            lines.append([])
            left = 8.0
        lines[-1].append((index, left))
        left += wide
    return lines


def _legend(
    figure: Figure, keys: Sequence[Sequence[tuple[int, float]]], conditions: Sequence[str], top: float, theme: Theme
) -> None:
    width = figure.get_size_inches()[0] / CSS_PIXEL
    axes = figure.add_axes(box(figure, 0, top, width, 24 * len(keys)))
    axes.set(xlim=(0, width), ylim=(24 * len(keys), 0))
    axes.set_axis_off()
    for line, places in enumerate(keys):
        for index, left in places:
            shape = _SHAPES[index % len(_SHAPES)]
            face = theme.muted if index == 0 else theme.paper
            outline: dict[str, Any] = {"markeredgecolor": theme.muted, "markeredgewidth": points(2)}
            y = 24 * line + 12
            axes.plot(left + 6, y, shape, markersize=points(9), markerfacecolor=face, **outline)
            words = condition_words(conditions[index])[0]
            axes.text(left + 20, y, words, va="center_baseline", **lettering(theme.ink, 13))
