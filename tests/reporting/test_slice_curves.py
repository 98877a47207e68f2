import numpy as np
import pytest

from sightline.errors import DataError
from sightline.metrics.slice_scores import SliceBand, SliceCurves
from sightline.reporting.slice_curves import slice_curves_figure
from sightline.reporting.themes import DARK, LIGHT, Theme

MEAN = np.array([0.0, 2.0, 1.0])
PRESENT, ABSENT = SliceBand(MEAN, MEAN - 0.5, MEAN + 0.5, 1200, 9), SliceBand(-MEAN, -MEAN - 1, -MEAN + 1, 7, 7)
CURVES = SliceCurves(PRESENT, ABSENT)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_each_chart_holds_both_means_and_their_intervals(theme: Theme) -> None:
    figure = slice_curves_figure({"nodule": CURVES, "effusion": CURVES}, title="All", theme=theme)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["nodule", "effusion"]
    for axes in figure.axes:
        lines = {line.get_color(): line for line in axes.lines}
        assert lines.keys() == {theme.accent, theme.plain}
        np.testing.assert_array_equal(lines[theme.accent].get_ydata(), MEAN)
        np.testing.assert_array_equal(lines[theme.accent].get_xdata(), [1, 2, 3])
        absent, present = (each.get_paths()[0].vertices for each in axes.collections)
        assert (absent[:, 1].min(), absent[:, 1].max()) == (-3, 1)
        assert (present[:, 1].min(), present[:, 1].max()) == (-0.5, 2.5)
        assert axes.get_xlabel() == "1,200 with, 7 without"
        assert [label.get_text() for label in axes.get_xticklabels()] == ["head", "feet"]
    assert figure.get_facecolor()[:3] == pytest.approx([int(theme.paper[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    assert figure.texts[0].get_text() == "All"


def test_charts_stand_three_in_a_row_or_one_where_it_is_narrow() -> None:
    curves = {str(n): CURVES for n in range(4)}
    wide, narrow = slice_curves_figure(curves), slice_curves_figure(curves, width=400)
    lefts = [round(axes.get_position().x0, 3) for axes in wide.axes]
    assert len(set(lefts)) == 3
    assert lefts[3] == lefts[0]
    assert len({round(axes.get_position().x0, 3) for axes in narrow.axes}) == 1
    assert narrow.get_size_inches()[1] > wide.get_size_inches()[1]


def test_what_is_not_known_is_left_out() -> None:
    nothing = np.full(3, np.nan)
    figure = slice_curves_figure({"rare": SliceCurves(SliceBand(nothing, nothing, nothing, 0, 0), ABSENT)})
    figure.canvas.draw()
    assert figure.axes[0].get_xlabel() == "0 with, 7 without"
    with pytest.raises(DataError, match="curves along the body need at least one finding, got none"):
        slice_curves_figure({})
