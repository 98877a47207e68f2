"""The bias-gap chart: what each recipe scores with the bias, without it, and with a wrong one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from sightline.reporting.bias_gap_rows import bias_gap_rows_figure
from sightline.reporting.content import GapRow, Score, condition_words, conditions_of
from sightline.reporting.themes import CSS_PIXEL, LIGHT, Mark, Theme, box, lettering, marks, new_figure, points, spread
from sightline.reporting.words import change_words, number

MANY = 6  # recipes; of more, each has a row
TICKS = (0, 0.25, 0.5, 0.75, 1)
NARROW = 560  # CSS pixels; below, names stand above the chart instead of beside it


def bias_gap_figure(
    gaps: Sequence[GapRow],
    *,
    metric: str = "macro-F1",
    chance: float | None = None,
    theme: Theme = LIGHT,
    width: float = 880,
    title: str = "",
) -> Figure:
    """Draw one line a recipe over the conditions; the tinted wedge is what the recipe owed to the bias.

    Each dot is a score, the bar through it its interval. A recipe that reads the bias falls from left to right; one
    that does not stays level. More than six recipes are drawn by `bias_gap_rows_figure`.

    Args:
        gaps: recipes, each with scores in [0, 1] for the same conditions in the same order.
        metric: name of the score.
        chance: what guessing scores; None draws no line.
        theme: colours.
        width: of the figure in CSS pixels; below 560 it is laid out for a phone.
        title: drawn above the chart, for a figure that stands alone.

    Raises:
        DataError: no recipe, or recipes with different conditions.
    """
    conditions = conditions_of(gaps)
    if len(gaps) > MANY:
        return bias_gap_rows_figure(gaps, metric=metric, chance=chance, theme=theme, width=width, title=title)
    narrow = width < NARROW
    head = (38 if title else 0) + (26 * len(gaps) + 12 if narrow else 10)
    height = head + (330 if narrow else 400)
    figure = new_figure(width, height, theme)
    left, right, foot = (40, 14, 62 + 30 * (len(conditions) > 3)) if narrow else (52, 214, 62)
    axes = figure.add_axes(box(figure, left, head + 26, width - left - right, height - head - 26 - foot))
    _ground(axes, conditions, metric, chance, theme, narrow=narrow)
    given = marks([(row.recipe, row.guided) for row in gaps], theme)
    for index, row in enumerate(gaps):
        _series(axes, row, given[row.recipe], _shift(index, gaps), theme)
    _values(axes, gaps, given, conditions, theme)
    if narrow:
        _names_above(figure, gaps, given, 38 if title else 4, theme)
    else:
        _names_beside(axes, gaps, given, theme)
    if title:
        x, y, _, _ = box(figure, 4, 16, 0, 0)
        figure.text(x, y, title, va="center", **lettering(theme.ink, 17, bold=True))
    return figure


def _ground(
    axes: Axes, conditions: tuple[str, ...], metric: str, chance: float | None, theme: Theme, *, narrow: bool
) -> None:
    axes.set_facecolor(theme.paper)
    beyond = 0.36 if narrow else 0.28
    axes.set_xlim(-beyond, len(conditions) - 1 + beyond)
    axes.set_ylim(-0.09, 1.09)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.set_yticks(TICKS, ["0", "0.25", "0.50", "0.75", "1"], **lettering(theme.muted, 12 if narrow else 13))
    axes.hlines(TICKS, *axes.get_xlim(), color=theme.line, linewidth=points(1), zorder=0)
    _note(axes, metric, (0, 1), (-36, 12), lettering(theme.muted, 12 if narrow else 13) | {"xycoords": "axes fraction"})
    for x, condition in enumerate(conditions):
        name, explained = condition_words(condition)
        below: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "top"}
        crowded = narrow and len(conditions) > 3
        name = _wrapped(name, 8) if crowded else name
        _note(axes, name, (x, 0), (0, -8), lettering(theme.ink, 13 if narrow else 15, bold=True) | below)
        wrapped = _wrapped(explained, 10 if crowded else 13) if narrow else explained
        down = -46 if crowded else -28
        _note(axes, wrapped, (x, 0), (0, down), lettering(theme.muted, 11 if narrow else 13) | below)
    if chance is not None:
        axes.hlines(chance, *axes.get_xlim(), color=theme.muted, linewidth=points(1), linestyle=(0, (2, 3)), zorder=1)
        _note(axes, "chance", (axes.get_xlim()[0], chance), (2, 3), lettering(theme.muted, 11))


def _note(axes: Axes, text: str, at: tuple[float, float], offset: tuple[float, float], style: dict[str, Any]) -> None:
    """Write `text` at a point of the chart, moved by CSS pixels."""
    moved = (points(offset[0]), points(offset[1]))
    axes.annotate(text, at, moved, textcoords="offset points", annotation_clip=False, **style)


def _wrapped(text: str, length: int) -> str:
    lines = [""]
    for word in text.split():
        fits = len(lines[-1]) + len(word) < length
        lines[-1:] = [f"{lines[-1]} {word}".strip()] if fits else [lines[-1], word]
    return "\n".join(lines)


def _series(axes: Axes, row: GapRow, mark: Mark, shift: float, theme: Theme) -> None:
    scores = list(row.scores.values())
    xs = [x + shift for x in range(len(scores))]
    ys = [score.value for score in scores]
    axes.fill_between(xs, ys, ys[0], color=mark.color, alpha=0.10, linewidth=0, zorder=1)
    axes.plot(xs, ys, color=mark.color, linewidth=points(3 if mark.filled else 2.5), zorder=3, solid_capstyle="round")
    for x, score in zip(xs, scores, strict=True):
        if score.has_interval:
            axes.plot(
                [x, x], [score.low, score.high], color=mark.color, alpha=0.38, linewidth=points(7), zorder=4,
                solid_capstyle="round",
            )  # fmt: skip
    axes.plot(
        xs, ys, linestyle="none", marker=mark.shape, markersize=points(11), zorder=5, markeredgewidth=points(2.5),
        markeredgecolor=theme.paper if mark.filled else mark.color, clip_on=False,
        markerfacecolor=mark.color if mark.filled else theme.paper,
    )  # fmt: skip


def _values(
    axes: Axes, gaps: Sequence[GapRow], given: dict[str, Mark], conditions: tuple[str, ...], theme: Theme
) -> None:
    """Write the highest score above its dot and the lowest below; what lies between stands in the table."""
    halo = [Stroke(linewidth=points(5), foreground=theme.paper, alpha=0.8), Normal()]
    for x, condition in enumerate(conditions):
        known = [index for index, row in enumerate(gaps) if np.isfinite(row.scores[condition].value)]
        order = sorted(known, key=lambda index: gaps[index].scores[condition].value)
        for index in {*order[:1], *order[-1:]}:
            score, above = gaps[index].scores[condition], index == order[-1]
            style = lettering(given[gaps[index].recipe].color, 15, bold=True)
            style |= {"ha": "center", "va": "bottom" if above else "top", "path_effects": halo, "zorder": 6}
            at = (x + _shift(index, gaps), _end(score, above=above))
            _note(axes, number(score.value), at, (0, 10 if above else -10), style)


def _shift(index: int, gaps: Sequence[GapRow]) -> float:
    return (index - (len(gaps) - 1) / 2) * 0.05


def _end(score: Score, *, above: bool) -> float:
    if not score.has_interval:
        return score.value
    return max(score.value, score.high) if above else min(score.value, score.low)


def _last(row: GapRow) -> float:
    known = [score.value for score in row.scores.values() if np.isfinite(score.value)]
    return known[-1] if known else 0.5


def _names_beside(axes: Axes, gaps: Sequence[GapRow], given: dict[str, Mark], theme: Theme) -> None:
    heights = spread([_last(row) for row in gaps], 0.14)
    for row, y in zip(gaps, heights, strict=True):
        beside: dict[str, Any] = {"xycoords": ("axes fraction", "data")}
        style = (
            lettering(given[row.recipe].color, 18 if len(row.recipe) <= 18 else 13, bold=True)
            | beside
            | {"va": "bottom"}
        )
        _note(axes, row.recipe, (1, y), (6, 2), style)
        _note(axes, change_words(row), (1, y), (6, -1), lettering(theme.muted, 13) | beside | {"va": "top"})


def _names_above(figure: Figure, gaps: Sequence[GapRow], given: dict[str, Mark], top: float, theme: Theme) -> None:
    width = figure.get_size_inches()[0] / CSS_PIXEL - 8
    keys = figure.add_axes(box(figure, 4, top, width, 26 * len(gaps)))
    keys.set_xlim(0, width)
    keys.set_ylim(26 * len(gaps), 0)
    keys.set_axis_off()
    for index, row in enumerate(gaps):
        mark, y = given[row.recipe], 26 * index + 13
        keys.plot(
            9, y, marker=mark.shape, markersize=points(11), color=mark.color, markeredgewidth=points(2.5),
            markerfacecolor=mark.color if mark.filled else theme.paper,
        )  # fmt: skip
        name = keys.text(24, y, row.recipe, va="center_baseline", **lettering(mark.color, 15, bold=True))
        style = lettering(theme.muted, 13)
        finding = change_words(row)
        if 10 * len(row.recipe) + 8 * len(finding) > width - 32:  # about as many pixels as the two take
            finding = finding.removesuffix(" without the bias")
        keys.annotate(finding, (1, 0), (points(8), 0), xycoords=name, textcoords="offset points", va="bottom", **style)
