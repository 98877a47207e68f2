from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from sightline.reporting.bias_gap import MANY, bias_gap_figure
from sightline.reporting.bias_gap_rows import bias_gap_rows_figure
from sightline.reporting.content import GapRow, Score
from sightline.reporting.themes import DARK, LIGHT

FALLS = GapRow("plain", {"on": Score(0.99, 0.97, 1.0), "off": Score(0.2, 0.15, 0.25), "swapped": Score(0.01)})
STAYS = GapRow("isnet", {"on": Score(0.74, 0.7, 0.78), "off": Score(0.73), "swapped": Score(0.72)}, True)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def dots(figure: Figure) -> list[tuple[float, float]]:
    lines = [line for line in figure.axes[0].lines if line.get_marker() not in ("None", "")]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines]


def test_each_recipe_has_a_row_with_a_mark_a_condition_at_its_score() -> None:
    figure = bias_gap_rows_figure([FALLS, STAYS], metric="macro-F1")
    found = dots(figure)
    assert [x for x, _ in found] == [0.99, 0.2, 0.01, 0.74, 0.73, 0.72]
    heights = [y for _, y in found]
    assert len(set(heights[:3])) == len(set(heights[3:])) == 1
    assert heights[0] < heights[3]  # counted from above


def test_the_band_goes_from_the_score_with_the_bias_to_that_without() -> None:
    figure = bias_gap_rows_figure([FALLS, STAYS], metric="macro-F1")
    bands = [tuple(line.get_xdata()) for line in figure.axes[0].lines if line.get_alpha() == 0.18]
    assert bands == [(0.99, 0.2), (0.74, 0.73)]
    elsewhere = GapRow("plain", {"on": Score(0.9), "ood": Score(0.2)})
    assert not [line for line in bias_gap_rows_figure([elsewhere], metric="m").axes[0].lines if line.get_alpha()]


@pytest.mark.parametrize("width", [350, 880])
def test_names_findings_and_conditions_are_written_out(width: float) -> None:
    written = texts(bias_gap_rows_figure([FALLS, STAYS], metric="accuracy", chance=1 / 3, width=width))
    for text in ("plain", "isnet", "chance", "Bias on", "Bias off", "Bias swapped"):
        assert text in written
    assert "\N{MINUS SIGN}0.79 without the bias" in written
    assert "level: \N{MINUS SIGN}0.01 without the bias" in written


@pytest.mark.parametrize("width", [350, 880])
@pytest.mark.parametrize("name", ["isnet", "axialnet-mask-loss-grad-cam", "a-name-that-is-" + "long-" * 12])
def test_nothing_is_cut_off(name: str, width: float) -> None:
    rows = [FALLS, *(replace(STAYS, recipe=f"{name}-{number}") for number in range(MANY))]
    rows = [replace(row, scores={**row.scores, "another hospital": Score(0.5)}) for row in rows]
    figure = bias_gap_figure(rows, width=width, theme=DARK, title="A title")
    figure.canvas.draw()
    picture = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
    ground = np.round(np.array(to_rgb(DARK.paper)) * 255)
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        np.testing.assert_array_equal(edge, np.broadcast_to(ground, edge.shape))


def test_more_than_six_recipes_have_rows_and_fewer_have_lines() -> None:
    many = [replace(STAYS, recipe=f"r{number}") for number in range(MANY + 1)]
    assert len(dots(bias_gap_figure(many))) == 3 * (MANY + 1)
    few = bias_gap_figure(many[:MANY])
    assert few.get_size_inches()[1] == bias_gap_figure(many[:1]).get_size_inches()[1]


def test_what_is_unknown_is_left_out() -> None:
    row = GapRow("plain", {"on": Score(0.9), "off": Score(float("nan"))})
    figure = bias_gap_rows_figure([row], metric="m", theme=LIGHT)
    figure.canvas.draw()
    assert dots(figure) == [(0.9, 16.0)]
    assert not [text for text in texts(figure) if "without" in text]
