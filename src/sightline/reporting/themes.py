"""Colours and type of every figure and page, on light and on dark ground, and the canvas they are drawn on."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sightline.runs import atomic_path

CSS_PIXEL = 1 / 96  # inch
FAMILIES = ("Inter", "Segoe UI", "Arial", "Helvetica", "Liberation Sans")
OTHER_SCRIPTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Arial Unicode MS", "Microsoft YaHei")


@dataclass(frozen=True)
class Theme:
    """Colours as hex.

    Attributes:
        name: `light` or `dark`.
        paper: ground.
        panel: ground of a box on the paper.
        ink: text.
        muted: secondary text.
        line: hairlines.
        accent: the one colour; the first guided recipe has it.
        plain: recipes that are not guided.
        others: further guided recipes, told apart by colour-blind readers too.
    """

    name: str
    paper: str
    panel: str
    ink: str
    muted: str
    line: str
    accent: str
    plain: str
    others: tuple[str, ...]


LIGHT = Theme(
    name="light",
    paper="#ffffff",
    panel="#f6f7f9",
    ink="#16181d",
    muted="#5b6270",
    line="#e1e4ea",
    accent="#4338ca",
    plain="#6b7280",
    others=("#0f766e", "#b45309", "#be185d", "#0369a1"),
)
DARK = Theme(
    name="dark",
    paper="#14161b",
    panel="#1c1f26",
    ink="#eceef2",
    muted="#a2a9b6",
    line="#2e333d",
    accent="#a5b4fc",
    plain="#9aa1ad",
    others=("#5eead4", "#fbbf24", "#f9a8d4", "#7dd3fc"),
)


@dataclass(frozen=True)
class Mark:
    """How one recipe is drawn; shape and filling say the same as the colour.

    Attributes:
        color: hex.
        shape: matplotlib marker.
        filled: whether the marker is filled; guided recipes are.
    """

    color: str
    shape: str
    filled: bool


def marks(recipes: Iterable[tuple[str, bool]], theme: Theme) -> dict[str, Mark]:
    """Give each recipe its mark.

    Args:
        recipes: name and whether it is guided, in reading order; a name may come again.
        theme: colours.
    """
    colors = (theme.accent, *theme.others)
    given: dict[str, Mark] = {}
    for name, guided in recipes:
        if name in given:
            continue
        before = sum(mark.filled == guided for mark in given.values())
        color = colors[before % len(colors)] if guided else theme.plain
        given[name] = Mark(color, "osD^vPXph*"[before % 10], guided)
    return given


@cache
def families() -> list[str]:
    """List the font families to ask matplotlib for: the first plain sans serif there is, then wider scripts."""
    present = {entry.name for entry in font_manager.fontManager.ttflist}
    return [name for name in FAMILIES if name in present][:1] + [name for name in OTHER_SCRIPTS if name in present]


def points(pixels: float) -> float:
    """Turn CSS pixels into points, matplotlib's unit of type and line width."""
    return pixels * 0.75


def lettering(color: str, pixels: float, *, bold: bool = False) -> dict[str, Any]:
    """Return the properties of a text: `pixels` high, in the family of `families`."""
    weight = "bold" if bold else "normal"
    return {"color": color, "fontsize": points(pixels), "weight": weight, "family": families()}


def new_figure(width: float, height: float, theme: Theme) -> Figure:
    """Make an empty figure with a canvas of its own, `width` by `height` CSS pixels, drawn at two dots a pixel."""
    figure = Figure(figsize=(width * CSS_PIXEL, height * CSS_PIXEL), dpi=192, facecolor=theme.paper)
    FigureCanvasAgg(figure)
    return figure


def box(figure: Figure, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Turn a box in CSS pixels from the upper left corner into matplotlib's share of the figure."""
    across, down = (side / CSS_PIXEL for side in figure.get_size_inches())
    return left / across, 1 - (top + height) / down, width / across, height / down


def png_bytes(figure: Figure) -> bytes:
    """Draw a figure as PNG."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=figure.dpi, facecolor=figure.get_facecolor(), metadata={"Software": None})
    return stream.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically."""
    data = png_bytes(figure)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def spread(positions: Sequence[float], distance: float) -> list[float]:
    """Move labels apart as little as needed so that neighbours keep `distance`.

    Sweeps from the lowest up and shifts each crowded group back by half of what it grew, so that a group stays
    centred on the labels it holds.

    >>> spread([0.5, 0.5, 0.9], 0.1)
    [0.45, 0.55, 0.9]
    """
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    groups: list[list[int]] = []
    for index in order:
        groups.append([index])
        while len(groups) > 1 and _lowest(groups[-1], positions, distance) < (
            _lowest(groups[-2], positions, distance) + distance * len(groups[-2])
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
    placed = [0.0] * len(positions)
    for group in groups:
        start = _lowest(group, positions, distance)
        for rank, index in enumerate(group):
            placed[index] = round(start + rank * distance, 9)
    return placed


def _lowest(group: Sequence[int], positions: Sequence[float], distance: float) -> float:
    centre = sum(positions[index] for index in group) / len(group)
    return centre - distance * (len(group) - 1) / 2
