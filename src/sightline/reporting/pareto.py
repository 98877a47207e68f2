"""What a method scores where its shortcuts do not help, against what its training step costs."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from sightline.errors import DataError
from sightline.reporting.content import Priced
from sightline.reporting.themes import LIGHT, Mark, Theme, box, lettering, marks, new_figure, points, spread

HEIGHT = 460  # CSS pixels
NARROW = 560  # CSS pixels; below, the chart is laid out for a phone
_HEAD, _FOOT = 52, 56
_LETTER = 8.4  # CSS pixels that a bold letter of 13 takes, about


def front(recipes: Sequence[Priced]) -> tuple[Priced, ...]:
    """Return those that no other beats at the same or a lower cost, the cheapest first.

    Of two that cost and score the same the first stays. A recipe whose score is NaN is never on the front.
    """
    best, found = float("-inf"), []
    for recipe in sorted(recipes, key=lambda each: (each.cost, -each.score.value)):
        if recipe.score.value > best:
            best = recipe.score.value
            found.append(recipe)
    return tuple(found)


def pareto_figure(
    recipes: Sequence[Priced],
    *,
    metric: str = "macro-F1",
    where: str = "",
    chance: float | None = None,
    theme: Theme = LIGHT,
    width: float = 760,
) -> Figure:
    """Draw each recipe at its cost and its score, and a stair along those that no other beats.

    Args:
        recipes: at least one.
        metric: name of the score.
        where: what it was tested on.
        chance: what guessing scores; None draws no line.
        theme: colours.
        width: of the figure in CSS pixels.

    Raises:
        DataError: there is no recipe with a score.
    """
    shown = [recipe for recipe in recipes if recipe.score.value == recipe.score.value]
    if not shown:
        raise DataError("a figure of costs needs a recipe with a score and a cost, got none; compare with --cost")
    left = 44 if width < NARROW else 64
    room = min(max(len(recipe.name) for recipe in shown) * _LETTER, 0.42 * width)  # for the names on the right
    figure = new_figure(width, HEIGHT, theme)
    axes = figure.add_axes(box(figure, left, _HEAD, width - left - room - 16, HEIGHT - _HEAD - _FOOT))
    _scale(axes, shown, theme)
    if chance is not None:
        axes.axhline(chance, color=theme.muted, linewidth=points(1.25), linestyle=(0, (4, 3)))
    best = front(shown)
    axes.plot(
        [recipe.cost for recipe in best],
        [recipe.score.value for recipe in best],
        color=theme.line,
        linewidth=points(6),
        drawstyle="steps-post",
        solid_capstyle="round",
        solid_joinstyle="round",
        zorder=1.5,
    )
    mark = marks([(recipe.name, recipe.guided) for recipe in shown], theme)
    for recipe in shown:
        _draw(axes, recipe, mark[recipe.name], theme)
    _name(axes, shown, mark, theme, letters=int(room / _LETTER))
    title = f"{metric}, {where}" if where else metric
    figure.text((left - 30) / width, 1 - 14 / HEIGHT, title, va="top", **lettering(theme.ink, 15, bold=True))
    return figure


def _scale(axes: Axes, recipes: Sequence[Priced], theme: Theme) -> None:
    costs = [recipe.cost for recipe in recipes]
    axes.set_xscale("log", base=2)
    axes.set_xlim(min(0.9, min(costs) / 1.15), max(costs) * 1.15)
    axes.set_ylim(-0.03, 1.03)
    lowest, highest = axes.get_xlim()
    ticks = [tick for tick in (0.5, 1, 2, 4, 8, 16, 32, 64) if lowest <= tick <= highest]
    axes.set_xticks(ticks, [f"{tick:g} x" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("cost of a step over the plain one's", labelpad=10, **lettering(theme.muted, 13))
    axes.grid(visible=True, axis="y", color=theme.line, linewidth=points(1))
    axes.set_axisbelow(True)
    axes.set_facecolor(theme.paper)
    for name, side in axes.spines.items():
        side.set_visible(name == "bottom")
        side.set(color=theme.line, linewidth=points(1))
    axes.tick_params(length=0, colors=theme.muted, pad=6)
    for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        label.set(**lettering(theme.muted, 12))


def _draw(axes: Axes, recipe: Priced, mark: Mark, theme: Theme) -> None:
    score = recipe.score
    if score.has_interval:
        axes.plot([recipe.cost] * 2, [score.low, score.high], color=mark.color, linewidth=points(1.5), zorder=2)
    axes.plot(
        recipe.cost,
        score.value,
        mark.shape,
        color=mark.color if mark.filled else theme.paper,
        markeredgecolor=mark.color,
        markeredgewidth=points(2),
        markersize=points(9),
        zorder=3,
    )


def _name(axes: Axes, recipes: Sequence[Priced], mark: dict[str, Mark], theme: Theme, *, letters: int) -> None:
    """Write the names down the right side at the height of their scores, moved apart where they are close."""
    tall = axes.get_position().height * HEIGHT
    places = spread([recipe.score.value for recipe in recipes], 17 / tall * 1.06)
    right = axes.get_xlim()[1]
    for recipe, place in zip(recipes, places, strict=True):
        color = mark[recipe.name].color
        axes.plot(
            [recipe.cost, right],
            [recipe.score.value, place],
            color=color,
            alpha=0.35,
            linewidth=points(0.75),
            clip_on=False,
            zorder=1,
        )
        style = lettering(color, 13, bold=recipe.guided)
        beside: dict[str, Any] = {"textcoords": "offset points", "va": "center", "annotation_clip": False}
        name = recipe.name if len(recipe.name) <= letters else f"{recipe.name[: letters - 1]}\N{HORIZONTAL ELLIPSIS}"
        axes.annotate(name, (right, place), (points(6), 0), **beside, **style)
