import numpy as np
import pytest

from sightline.errors import DataError
from sightline.reporting.content import Curve
from sightline.reporting.curves import MOST, curves_figure, curves_of
from sightline.reporting.themes import LIGHT

LINES = [
    {"epoch": 1, "step": 5, "classification": 1.0, "outside": None},
    {"epoch": 1, "step": 10, "classification": 0.5, "val_macro_f1": 0.4},
    {"epoch": 2, "step": 20, "classification": 0.25, "val_macro_f1": 0.6},
]


def test_steps_are_placed_at_their_share_of_the_epochs() -> None:
    score, loss = curves_of("plain", LINES)
    np.testing.assert_allclose(loss.x, [0.5, 1, 2])
    np.testing.assert_allclose(loss.y, [1, 0.5, 0.25])
    np.testing.assert_allclose(score.x, [1, 2])


def test_quantities_that_were_never_logged_have_no_chart() -> None:
    assert [curve.panel for curve in curves_of("plain", LINES)] == ["Validation macro-F1", "Classification loss"]
    assert curves_of("plain", []) == ()


def test_a_log_without_steps_is_placed_by_epoch() -> None:
    (curve,) = curves_of("plain", [{"epoch": 3, "outside": 0.2}])
    assert (curve.x, curve.y) == (3, 0.2)


def test_one_chart_a_quantity_one_line_a_recipe() -> None:
    figure = curves_figure(curves_of("plain", LINES) + curves_of("ISNet", LINES, guided=True))
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == ["Validation macro-F1", "Classification loss"]
    lines = [line for line in panels[1].lines if len(line.get_xdata()) == 3]
    assert [line.get_color() for line in lines] == [LIGHT.plain, LIGHT.accent]
    assert panels[0].get_ylim() == (0, 1)


def test_a_loss_that_became_nan_is_drawn_up_to_there() -> None:
    values = np.linspace(2, 1, 100)
    values[80:] = np.nan
    figure = curves_figure([Curve("plain", "Loss", np.arange(100), values)])
    figure.canvas.draw()
    assert max(len(line.get_xdata()) for line in figure.axes[1].lines) == 80
    assert all(np.isfinite(line.get_ydata()).all() for line in figure.axes[1].lines)


def test_a_long_noisy_curve_is_smoothed_and_shown_behind() -> None:
    noisy = 0.5 + 0.4 * (-1.0) ** np.arange(400)
    raw, smooth, _ = curves_figure([Curve("plain", "Share", np.arange(400), noisy)]).axes[1].lines
    assert np.ptp(raw.get_ydata()) == pytest.approx(0.8)
    assert np.ptp(smooth.get_ydata()) < 0.1
    assert raw.get_alpha() < 0.5


def test_charts_stand_below_each_other_on_a_phone() -> None:
    figure = curves_figure(curves_of("plain", LINES), width=350)
    _, first, second = figure.axes
    assert first.get_position().x0 == second.get_position().x0
    assert first.get_position().y0 > second.get_position().y1


def test_no_curve_is_an_error() -> None:
    with pytest.raises(DataError, match="at least one curve"):
        curves_figure([])


def test_a_long_line_keeps_its_extremes_and_is_not_much_longer_than_the_chart_is_wide() -> None:
    values = np.random.default_rng(0).random(20_000)
    values[[777, 13_001]] = 5, -5
    faint, mean, _ = curves_figure([Curve("plain", "Loss", np.arange(20_000), values)]).axes[1].lines
    drawn = np.asarray(faint.get_ydata())
    assert (drawn.min(), drawn.max()) == (-5, 5)
    assert len(drawn) <= MOST + 2
    assert len(np.asarray(mean.get_ydata())) == MOST
    assert np.asarray(mean.get_xdata())[-1] == 19_999
