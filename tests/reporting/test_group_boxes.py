import numpy as np
import pytest

from sightline.errors import DataError
from sightline.reporting.group_boxes import group_boxes_figure
from sightline.reporting.themes import DARK, LIGHT

CHART = {"vgg16": np.array([0.0, 0.1, 0.2, 0.3, np.nan]), "vit_base": np.array([0.5, 0.7])}
KINDS = {"vgg16": "vgg", "vit_base": "vit"}


def texts(figure: object) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]  # type: ignore[attr-defined]


def test_one_box_a_group_with_its_mean_beside_it() -> None:
    figure = group_boxes_figure({"Difference": CHART}, kinds=KINDS)
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "Difference"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["vgg16", "vit_base"]
    assert [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "D"] == pytest.approx([0.15, 0.6])
    assert texts(figure) == ["0.150", "0.600", "mean"]


def test_the_box_spans_the_quartiles_without_what_is_unknown() -> None:
    (axes,) = group_boxes_figure({"Difference": CHART}).axes
    box = axes.patches[0].get_path().vertices[:, 0]
    assert (box.min(), box.max()) == pytest.approx((0.075, 0.225))


def test_kinds_have_colours_of_their_own() -> None:
    for theme in (LIGHT, DARK):
        (axes,) = group_boxes_figure({"Difference": CHART}, kinds=KINDS, theme=theme).axes
        diamonds = [line for line in axes.lines if line.get_marker() == "D"]
        assert [line.get_markeredgecolor() for line in diamonds] == [theme.accent, theme.others[0]]


def test_charts_stand_side_by_side_and_chance_is_a_line() -> None:
    figure = group_boxes_figure({"a": CHART, "b": CHART}, chance={"b": 0.25}, title="All")
    first, second = figure.axes
    assert first.get_position().x1 < second.get_position().x0
    assert [label.get_text() for label in second.get_yticklabels()] == ["", ""]
    assert "chance" in texts(figure)
    assert [0.25, 0.25] in [list(line.get_xdata()) for line in second.lines]
    assert [text.get_text() for text in figure.texts] == ["All"]


def test_a_group_without_numbers_has_no_box() -> None:
    figure = group_boxes_figure({"a": {"x": np.array([np.nan]), "y": np.array([1.0, 2.0])}})
    assert len(figure.axes[0].patches) == 1
    assert "\N{EN DASH}" in texts(figure)
    figure.canvas.draw()


def test_charts_must_be_of_the_same_groups() -> None:
    with pytest.raises(DataError, match=r"same groups, got .* and "):
        group_boxes_figure({"a": CHART, "b": {"x": np.zeros(2)}})
    with pytest.raises(DataError, match="same groups, got none"):
        group_boxes_figure({})
