"""Confusion matrices side by side."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sightline.errors import DataError, ShapeError
from sightline.reporting.content import Confusion, condition_words
from sightline.reporting.themes import LIGHT, Theme, box, lettering, new_figure, points

FEW = 6  # classes that leave room for large type
DEEPEST = 0.45  # opacity of a whole row in one cell; the number in it stays readable on either ground


def confusion_figure(confusions: Sequence[Confusion], *, theme: Theme = LIGHT, width: float = 880) -> Figure:
    """Draw confusion matrices in a grid, recipes down and conditions across; one below the other on a phone.

    Colour is the share of the true class, so that a row adds up to one; the number is the count.

    Raises:
        DataError: there is no matrix.
        ShapeError: a matrix does not fit its classes.
    """
    if not confusions:
        raise DataError("a figure of confusion matrices needs at least one, got none; evaluate a recipe first")
    for item in confusions:
        if np.shape(item.counts) != (len(item.classes),) * 2:
            raise ShapeError(f"counts must be {(len(item.classes),) * 2} for its classes, got {np.shape(item.counts)}")
    conditions = list(dict.fromkeys(item.condition for item in confusions))
    recipes = list(dict.fromkeys(item.recipe for item in confusions))
    narrow = width < 560
    largest = max(len(item.classes) for item in confusions)
    foot = 50 if largest <= FEW else 104  # slanted names, or upright ones
    side = min(26.0 * largest + 150, (width - 110) / (1 if narrow else len(conditions)) - 26)
    cell_wide, cell_high = (width, side + 44 + foot) if narrow else (side + 26, side + 56)
    rows = len(confusions) if narrow else len(recipes)
    figure = new_figure(width, rows * cell_high + (0 if narrow else foot), theme)
    for index, item in enumerate(confusions):
        column, row = (0, index) if narrow else (conditions.index(item.condition), recipes.index(item.recipe))
        axes = figure.add_axes(box(figure, 110 + column * cell_wide, 34 + row * cell_high, side, side))
        _matrix(axes, item, theme, first=column == 0, last=narrow or row == len(recipes) - 1)
    return figure


def _matrix(axes: Axes, item: Confusion, theme: Theme, *, first: bool, last: bool) -> None:
    counts = np.asarray(item.counts, dtype=float)
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    k = len(item.classes)
    axes.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5), facecolor=theme.panel, aspect="equal")
    for (true, predicted), part in np.ndenumerate(share):
        cell = Rectangle((predicted - 0.5, true - 0.5), 1, 1, facecolor=theme.accent, alpha=DEEPEST * part, linewidth=0)
        axes.add_patch(cell)
    few = len(item.classes) <= FEW
    size = 14 if few else 9
    for (true, predicted), value in np.ndenumerate(counts):
        style = lettering(theme.ink, size, bold=true == predicted)
        axes.text(predicted, true, f"{value:g}", ha="center", va="center", **style)
    names = [name if len(name) <= 14 else f"{name[:13]}…" for name in item.classes]
    axes.set_yticks(range(len(names)), names if first else [""] * len(names))
    axes.set_xticks(
        range(len(names)),
        names if last else [""] * len(names),
        rotation=30 if few else 90,
        ha="right" if few else "center",
    )
    axes.tick_params(length=0, pad=6)
    axes.set_xticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(visible=True, which="minor", color=theme.paper, linewidth=points(2))
    for spine in axes.spines.values():
        spine.set_visible(False)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set(**lettering(theme.muted, 12 if few else 10))
    title = f"{item.recipe} · {condition_words(item.condition)[0].lower()}"
    axes.set_title(title, loc="left", pad=7, **lettering(theme.ink, 13, bold=True))
