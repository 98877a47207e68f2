from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from sightline.errors import DataError
from sightline.reporting.bias_gap import bias_gap_figure
from sightline.reporting.content import GapRow, Score
from sightline.reporting.themes import DARK, LIGHT

PLAIN = GapRow("plain", {"on": Score(0.99, 0.97, 1.0), "off": Score(0.2, 0.15, 0.25), "swapped": Score(0.01)})
ISNET = GapRow("ISNet", {"on": Score(0.74, 0.7, 0.78), "off": Score(0.73, 0.7, 0.77), "swapped": Score(0.72)}, True)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def pixels(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)


def test_lines_and_intervals_lie_at_the_scores() -> None:
    axes = bias_gap_figure([PLAIN, ISNET]).axes[0]
    heights = [tuple(line.get_ydata()) for line in axes.lines]
    assert (0.99, 0.2, 0.01) in heights
    assert (0.74, 0.73, 0.72) in heights
    assert (0.15, 0.25) in heights
    assert len([pair for pair in heights if len(pair) == 2]) == 4


def test_guided_recipe_is_drawn_level_in_the_accent_and_the_plain_one_falls() -> None:
    """Read off the picture: the row of the accent line at the first and the last condition."""
    figure = bias_gap_figure([PLAIN, ISNET])
    picture, axes = pixels(figure), figure.axes[0]

    def row_of(color: str, condition: float) -> float:
        column = round(axes.transData.transform((condition, 0))[0])
        near = np.abs(picture[:, column] - np.round(np.array(to_rgb(color)) * 255)).sum(axis=1) < 20
        return float(np.median(np.flatnonzero(near)))

    height = picture.shape[0]
    assert abs(row_of(LIGHT.accent, 0.4) - row_of(LIGHT.accent, 1.6)) < 0.02 * height
    assert row_of(LIGHT.plain, 1.6) - row_of(LIGHT.plain, 0.4) > 0.3 * height


def test_scores_recipes_and_findings_are_written_out() -> None:
    written = texts(bias_gap_figure([PLAIN, ISNET], chance=1 / 3, metric="accuracy"))
    for text in ("accuracy", "chance", "plain", "ISNet", "0.99", "0.20", "Bias on", "Bias off", "Bias swapped"):
        assert text in written
    assert "\N{MINUS SIGN}0.79 without the bias" in written
    assert "level: \N{MINUS SIGN}0.01 without the bias" in written


@pytest.mark.parametrize("name", ["ISNet", "axialnet-mask-loss", "a-name-of-24-letters-long"])
def test_nothing_is_cut_off_on_a_phone(name: str) -> None:
    figure = bias_gap_figure([PLAIN, replace(ISNET, recipe=name)], width=350, theme=DARK, title="A title")
    picture = pixels(figure)
    ground = np.round(np.array(to_rgb(DARK.paper)) * 255)
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        np.testing.assert_array_equal(edge, np.broadcast_to(ground, edge.shape))


def test_a_missing_score_leaves_a_gap_not_a_zero() -> None:
    row = GapRow("plain", {"on": Score(0.9), "off": Score(float("nan"))})
    figure = bias_gap_figure([row])
    pixels(figure)
    assert not [text for text in texts(figure) if "without" in text]


def test_global_settings_stay_as_they_were() -> None:
    before = dict(mpl.rcParams)
    bias_gap_figure([PLAIN, ISNET])
    assert dict(mpl.rcParams) == before


def test_no_recipe_is_an_error() -> None:
    with pytest.raises(DataError, match="at least one recipe"):
        bias_gap_figure([])
