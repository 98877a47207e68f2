"""Training curves: one small chart for each quantity, one line for each recipe."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from numpy.typing import NDArray
from scipy import ndimage

from sightline.errors import DataError
from sightline.reporting.content import Curve
from sightline.reporting.themes import CSS_PIXEL, LIGHT, Mark, Theme, box, lettering, marks, new_figure, points

PANELS = {
    "Validation macro-F1": "val_macro_f1",
    "Classification loss": "classification",
    "Relevance outside the region": "outside",
}
MOST = 400  # points of a line; a chart is about as many pixels wide
MANY = 60  # points; beyond, the line is the running mean and what was measured stands faint behind it


def curves_of(
    recipe: str, lines: Sequence[Mapping[str, Any]], *, guided: bool = False, panels: Mapping[str, str] = PANELS
) -> tuple[Curve, ...]:
    """Read the curves of one run from the lines of its `metrics.jsonl`.

    A line at `step` s of S in all is placed at its share of the epochs, so runs with other batch sizes meet. Values
    that are missing or null are left out, and so is a chart without any.

    Args:
        recipe: name of the recipe.
        lines: records with `epoch` (from 1) and any of the panels' keys.
        guided: whether the recipe is guided.
        panels: title of a chart to the key that it shows.
    """
    last_epoch = max((line["epoch"] for line in lines if "epoch" in line), default=0)
    last_step = max((line.get("step", 0) for line in lines), default=0)
    curves = []
    for panel, key in panels.items():
        told = [line for line in lines if line.get(key) is not None and "epoch" in line]
        if told:
            steps = [
                line["step"] * last_epoch / last_step if last_step and "step" in line else line["epoch"]
                for line in told
            ]
            curves.append(Curve(recipe, panel, np.array(steps), np.array([line[key] for line in told]), guided))
    return tuple(curves)


def curves_figure(curves: Sequence[Curve], *, theme: Theme = LIGHT, width: float = 880) -> Figure:
    """Draw the training charts side by side, or one below the other where less than 560 CSS pixels are there.

    Raises:
        DataError: there is no curve.
    """
    panels = list(dict.fromkeys(curve.panel for curve in curves))
    if not panels:
        raise DataError("training charts need at least one curve, got none; train a recipe first")
    across = 1 if width < 560 else min(3, len(panels))
    down = -(-len(panels) // across)
    key, cell = 34, 250 if across > 1 else 210
    figure = new_figure(width, key + cell * down, theme)
    given = marks([(curve.recipe, curve.guided) for curve in curves], theme)
    _key(figure, given, theme)
    each = width / across
    for index, panel in enumerate(panels):
        left, top = (index % across) * each, key + (index // across) * cell
        axes = figure.add_axes(box(figure, left + 40, top + 36, each - 62, cell - 84))
        _panel(axes, panel, [curve for curve in curves if curve.panel == panel], given, theme)
    return figure


def _key(figure: Figure, given: Mapping[str, Mark], theme: Theme) -> None:
    width = figure.get_size_inches()[0] / CSS_PIXEL
    axes = figure.add_axes(box(figure, 0, 0, width, 30))
    axes.set_xlim(0, width)
    axes.set_ylim(0, 30)
    axes.set_axis_off()
    previous: Annotation | None = None
    for name, mark in given.items():
        after: dict[str, Any] = {"xycoords": previous, "textcoords": "offset points"} if previous else {}
        at, offset = ((1, 0), (points(22), 0)) if previous else ((6, 8), (6, 8))
        style = lettering(mark.color, 14, bold=True)
        previous = axes.annotate(f"\N{EM DASH} {name}", at, offset, va="bottom", **style, **after)


def _panel(axes: Axes, panel: str, curves: Sequence[Curve], given: Mapping[str, Mark], theme: Theme) -> None:
    axes.set_facecolor(theme.paper)
    for name, side in axes.spines.items():
        side.set_visible(name == "bottom")
        side.set(color=theme.line, linewidth=points(1))
    for curve in curves:
        color, known = given[curve.recipe].color, np.isfinite(np.asarray(curve.y, dtype=float))
        epochs, values = np.asarray(curve.x)[known], np.asarray(curve.y, dtype=float)[known]
        if len(values) > MANY:
            faint = _extremes(values, MOST)
            axes.plot(epochs[faint], values[faint], color=color, linewidth=points(1), alpha=0.22)
            values = _running_mean(values, len(values) // 20)
            shown = np.unique(np.linspace(0, len(values) - 1, MOST).round().astype(int))
            epochs, values = epochs[shown], values[shown]
        axes.plot(epochs, values, color=color, linewidth=points(2.5), solid_capstyle="round", solid_joinstyle="round")
        axes.plot(epochs[-1:], values[-1:], color=color, marker="o", markersize=points(7), clip_on=False)
    low, high = axes.get_ylim()
    shares = all(((curve.y >= 0) & (curve.y <= 1) | ~np.isfinite(curve.y)).all() for curve in curves)
    axes.set_ylim((0, 1) if shares and "loss" not in panel.lower() else (min(0, low), high))
    axes.locator_params(axis="y", nbins=4)
    axes.locator_params(axis="x", nbins=5, integer=True)
    axes.grid(visible=True, axis="y", color=theme.line, linewidth=points(1))
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=theme.muted, pad=5)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set(**lettering(theme.muted, 12))
    axes.set_xlabel("epoch", **lettering(theme.muted, 12))
    axes.set_title(panel, loc="left", pad=10, **lettering(theme.ink, 14, bold=True))


def _running_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Average over a window that shrinks at both ends, so that the first and last value do not weigh more."""
    counted = ndimage.uniform_filter1d(np.ones_like(values), window, mode="constant")
    return np.asarray(ndimage.uniform_filter1d(values, window, mode="constant") / counted)


def _extremes(values: NDArray[np.float64], number: int) -> NDArray[np.int64]:
    """Choose about `number` places of a line that keep its look: the lowest and the highest of each stretch."""
    stretches = np.array_split(np.arange(len(values)), max(1, number // 2))
    kept = [
        stretch[choose(values[stretch])] for stretch in stretches if len(stretch) for choose in (np.argmin, np.argmax)
    ]
    return np.unique([0, *kept, len(values) - 1])
