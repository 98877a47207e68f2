"""Curves of scores along the body: one small chart a finding, with and without it, each with its interval."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sightline.errors import DataError
from sightline.reporting.themes import LIGHT, Theme, box, lettering, new_figure, points

if TYPE_CHECKING:  # the metrics load torch
    from sightline.metrics.slice_scores import SliceBand, SliceCurves

_LEFT, _RIGHT, _ABOVE, _BELOW, _CHART = 46.0, 12.0, 34.0, 36.0, 150.0  # CSS pixels
_HEAD, _KEY = 34.0, 30.0


def slice_curves_figure(
    curves: "Mapping[str, SliceCurves]", *, title: str = "", theme: Theme = LIGHT, width: float = 880
) -> Figure:
    """Draw the mean score of each slice from head to feet, and its interval, over scans with and without the finding.

    Args:
        curves: by what is said above the chart, such as the name of the finding.
        title: drawn above, for a figure that stands alone.
        theme: colours.
        width: of the figure in CSS pixels; three charts side by side, or one where less than 560 are there.

    Raises:
        DataError: there is no chart.
    """
    if not curves:
        raise DataError("curves along the body need at least one finding, got none")
    across = 1 if width < 560 else min(3, len(curves))
    down = -(-len(curves) // across)
    head, cell = _HEAD * bool(title), _ABOVE + _CHART + _BELOW
    figure = new_figure(width, head + _KEY + cell * down, theme)
    if title:
        x, y, _, _ = box(figure, 14, 12, 0, 0)
        figure.text(x, y, title, va="top", **lettering(theme.ink, 18, bold=True))
    _key(figure, head, theme)
    each = width / across
    for index, (name, found) in enumerate(curves.items()):
        left, top = (index % across) * each, head + _KEY + (index // across) * cell
        axes = figure.add_axes(box(figure, left + _LEFT, top + _ABOVE, each - _LEFT - _RIGHT, _CHART))
        _chart(axes, name, found, theme)
    return figure


def _key(figure: Figure, top: float, theme: Theme) -> None:
    strong = {"with the finding": (theme.accent, 14.0), "without": (theme.plain, 184.0)}
    for text, (color, left) in strong.items():
        x, y, _, _ = box(figure, left, top + 8, 0, 0)
        figure.text(x, y, f"\N{EM DASH} {text}", va="top", **lettering(color, 14, bold=True))
    x, y, _, _ = box(figure, 286, top + 9, 0, 0)
    figure.text(x, y, "mean score of a slice, and its interval over patients", va="top", **lettering(theme.muted, 12))


def _chart(axes: Axes, name: str, found: "SliceCurves", theme: Theme) -> None:
    axes.set_facecolor(theme.paper)
    for which, side in axes.spines.items():
        side.set_visible(which == "bottom")
        side.set(color=theme.line, linewidth=points(1))
    for band, color in ((found.absent, theme.plain), (found.present, theme.accent)):
        _band(axes, band, color)
    slices = max(len(found.present.mean), len(found.absent.mean))
    axes.set_xlim(0.5, slices + 0.5)
    axes.locator_params(axis="y", nbins=4)
    axes.set_xticks([1, slices], ["head", "feet"])
    first, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.grid(visible=True, axis="y", color=theme.line, linewidth=points(1))
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=theme.muted, pad=5)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set(**lettering(theme.muted, 12))
    counts = f"{found.present.n:,} with, {found.absent.n:,} without"
    axes.set_xlabel(counts, labelpad=-points(12), **lettering(theme.muted, 12))
    axes.set_title(name, loc="left", pad=8, **lettering(theme.ink, 14, bold=True))


def _band(axes: Axes, band: "SliceBand", color: str) -> None:
    place = np.arange(1, len(band.mean) + 1)
    axes.fill_between(place, band.low, band.high, color=color, alpha=0.2, linewidth=0)
    axes.plot(place, band.mean, color=color, linewidth=points(2.25), solid_capstyle="round", solid_joinstyle="round")
