"""Box plots of several groups of numbers: one chart a measure, one box a group."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sightline.errors import DataError
from sightline.reporting.themes import CSS_PIXEL, LIGHT, Theme, box, lettering, new_figure, points

Values = NDArray[np.float64]

ROW = 30  # CSS pixels from box to box


def group_boxes_figure(
    charts: Mapping[str, Mapping[str, Values]],
    *,
    kinds: Mapping[str, str] | None = None,
    chance: Mapping[str, float] | None = None,
    theme: Theme = LIGHT,
    width: float = 880,
    title: str = "",
) -> Figure:
    """Draw each group as a box from the lower to the upper quartile, its median a line and its mean a diamond.

    The whiskers reach the last number within 1.5 heights of the box; what lies beyond is a dot each. Beside the box
    stands the mean.

    Args:
        charts: by title of the chart, numbers by name of the group; NaN are left out. All have the same groups.
        kinds: kind of each group, which has a colour of its own; None for one kind.
        chance: by title of the chart, what says nothing scores, drawn as a dashed line.
        theme: colours.
        width: of the figure in CSS pixels.
        title: drawn above, for a figure that stands alone.

    Raises:
        DataError: there is no chart, or they are of different groups.
    """
    groups = {tuple(chart) for chart in charts.values()}
    if len(groups) != 1 or not next(iter(groups)):
        raise DataError(f"box plots need charts of the same groups, got {' and '.join(map(str, groups)) or 'none'}")
    (names,) = groups
    kinds = kinds or {}
    colors = _colors([kinds.get(name, "") for name in names], theme)
    head, foot, left, gap = (84 if title else 44), 36, 104, 62
    each = (width - left - 14 - gap * (len(charts) - 1)) / len(charts)
    height = head + ROW * len(names) + foot
    figure = new_figure(width, height, theme)
    for index, (name, chart) in enumerate(charts.items()):
        axes = figure.add_axes(box(figure, left + index * (each + gap), head, each - 44, ROW * len(names)))
        _boxes(axes, chart, [colors[kinds.get(group, "")] for group in names], theme)
        _frame(axes, name, list(chart) if index == 0 else [""] * len(chart), theme)
        if chance and name in chance:
            axes.axvline(chance[name], color=theme.muted, linewidth=points(1.25), linestyle=(0, (4, 3)), zorder=1.5)
            where: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            axes.annotate(
                "chance", (chance[name], 1), (0, points(3)), ha="center", **where, **lettering(theme.muted, 12)
            )
    if title:
        across, down = (side / CSS_PIXEL for side in figure.get_size_inches())
        figure.text(14 / across, 1 - 14 / down, title, va="top", **lettering(theme.ink, 18, bold=True))
    return figure


def _colors(kinds: list[str], theme: Theme) -> dict[str, str]:
    palette = (theme.accent, *theme.others)
    return {kind: palette[index % len(palette)] for index, kind in enumerate(dict.fromkeys(kinds))}


def _boxes(axes: Axes, chart: Mapping[str, Values], colors: list[str], theme: Theme) -> None:
    rows = range(len(chart) - 1, -1, -1)  # the first on top
    beside: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    for group, row, color in zip(chart.values(), rows, colors, strict=True):
        values = np.asarray(group)[~np.isnan(group)]
        told = f"{values.mean():.3f}" if len(values) else "\N{EN DASH}"
        style = lettering(color, 13, bold=True)
        axes.annotate(told, (1, row), (points(8), 0), va="center_baseline", **beside, **style)
        if not len(values):
            continue
        axes.boxplot(
            values,
            positions=[row],
            orientation="horizontal",
            widths=0.5,
            patch_artist=True,
            manage_ticks=False,
            boxprops={"facecolor": color, "alpha": 0.22, "linewidth": 0},
            medianprops={"color": color, "linewidth": points(2.5), "solid_capstyle": "butt"},
            whiskerprops={"color": color, "linewidth": points(1.25)},
            capprops={"linewidth": 0},
            flierprops={"markersize": points(3.5), "markerfacecolor": color, "alpha": 0.5, "markeredgewidth": 0},
        )
        diamond: dict[str, Any] = {"color": theme.paper, "markeredgecolor": color, "markeredgewidth": points(1.5)}
        axes.plot(values.mean(), row, "D", markersize=points(6), zorder=4, **diamond)
    axes.set_ylim(-0.5, len(chart) - 0.5)
    style = lettering(theme.muted, 12)
    axes.annotate("mean", (1, 1), (points(8), points(3)), xycoords="axes fraction", textcoords="offset points", **style)


def _frame(axes: Axes, title: str, names: list[str], theme: Theme) -> None:
    axes.set_facecolor(theme.paper)
    for name, side in axes.spines.items():
        side.set_visible(name == "bottom")
        side.set(color=theme.line, linewidth=points(1))
    axes.set_yticks(range(len(names) - 1, -1, -1), names)
    axes.locator_params(axis="x", nbins=5)
    axes.grid(visible=True, axis="x", color=theme.line, linewidth=points(1))
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=theme.muted, pad=6)
    for label in axes.get_xticklabels():
        label.set(**lettering(theme.muted, 12))
    for label in axes.get_yticklabels():
        label.set(**lettering(theme.ink, 13))
    axes.set_title(title, loc="left", pad=20, **lettering(theme.ink, 14, bold=True))
