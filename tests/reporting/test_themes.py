import doctest
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image

from sightline.reporting import themes
from sightline.reporting.themes import DARK, LIGHT, Theme, box, marks, new_figure, save_figure, spread


@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0.01, 0.3))
def test_spread_labels_keep_their_distance_and_order(positions: list[float], distance: float) -> None:
    placed = spread(positions, distance)
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    for one, other in itertools.pairwise(order):
        assert placed[other] - placed[one] >= distance - 1e-6


def test_spread_leaves_labels_that_have_room() -> None:
    assert spread([0.1, 0.9, 0.5], 0.1) == [0.1, 0.9, 0.5]
    assert spread([0.5, 0.5, 0.9], 0.1) == [0.45, 0.55, 0.9]


def test_recipes_are_told_apart_by_shape_and_filling_too() -> None:
    given_marks = marks([("plain", False), ("masked", False), ("ISNet", True), ("RRR", True), ("plain", False)], LIGHT)
    assert list(given_marks) == ["plain", "masked", "ISNet", "RRR"]
    assert len({(mark.shape, mark.filled) for mark in given_marks.values()}) == 4
    assert given_marks["ISNet"].color == LIGHT.accent
    assert given_marks["plain"].color == given_marks["masked"].color == LIGHT.plain


def luminance(color: str) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_and_lines_have_the_contrast_of_wcag_aa(theme: Theme) -> None:
    for ground in (theme.paper, theme.panel):
        for color in (theme.ink, theme.muted, theme.accent, theme.plain, *theme.others):
            low, high = sorted((luminance(color), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (color, ground)


def test_figure_has_the_size_and_the_ground_asked_for(tmp_path: Path) -> None:
    figure = new_figure(100, 50, DARK)
    assert box(figure, 10, 5, 40, 20) == pytest.approx((0.1, 0.5, 0.4, 0.4))
    save_figure(figure, tmp_path / "deep" / "figure.png")
    with Image.open(tmp_path / "deep" / "figure.png") as stored:
        assert stored.size == (200, 100)
        assert stored.convert("RGB").getpixel((3, 3)) == tuple(round(255 * part) for part in to_rgb(DARK.paper))


def test_reporting_loads_neither_pyplot_nor_torch() -> None:
    code = "import sys, sightline.reporting; print([m for m in ('matplotlib.pyplot', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_examples_in_docstrings_are_true() -> None:
    assert doctest.testmod(themes).failed == 0
