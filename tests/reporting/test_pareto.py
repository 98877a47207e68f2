import numpy as np
import pytest

from sightline.errors import DataError
from sightline.reporting.content import Priced, Score
from sightline.reporting.pareto import front, pareto_figure
from sightline.reporting.themes import DARK

PLAIN = Priced("plain", 1.0, Score(0.2, 0.1, 0.3))
CHEAP = Priced("cheap", 2.5, Score(0.8, 0.7, 0.9), guided=True)
WORSE = Priced("worse", 2.5, Score(0.6), guided=True)
DEARER = Priced("dearer", 3.0, Score(0.7), guided=True)
BEST = Priced("best", 4.0, Score(0.9, 0.8, 1.0), guided=True)
UNKNOWN = Priced("unknown", 0.5, Score(float("nan")))


def test_the_front_holds_what_nothing_cheaper_beats() -> None:
    assert front([BEST, DEARER, WORSE, CHEAP, PLAIN, UNKNOWN]) == (PLAIN, CHEAP, BEST)
    assert front([CHEAP, Priced("same", 2.5, Score(0.8))]) == (CHEAP,)
    assert front([UNKNOWN]) == ()


@pytest.mark.parametrize("width", [390, 760])
def test_every_recipe_is_drawn_at_its_cost_and_named(width: float) -> None:
    figure = pareto_figure([PLAIN, CHEAP, WORSE, UNKNOWN], where="ood", chance=1 / 3, theme=DARK, width=width)
    (axes,) = figure.axes
    dots = {(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() not in ("None", "")}
    assert dots == {(1.0, 0.2), (2.5, 0.8), (2.5, 0.6)}
    assert [text.get_text() for text in axes.texts] == ["plain", "cheap", "worse"]
    assert figure.texts[0].get_text() == "macro-F1, ood"
    stair = next(line for line in axes.lines if line.get_drawstyle() == "steps-post")
    assert list(stair.get_ydata()) == [0.2, 0.8]


def test_the_figure_needs_a_score() -> None:
    with pytest.raises(DataError, match="compare with --cost"):
        pareto_figure([UNKNOWN])


def test_long_names_are_cut_on_a_phone_and_stay_on_it() -> None:
    long = Priced("isnet-gradient-input-of-the-second-kind", 5.0, Score(0.75, 0.7, 0.8), guided=True)
    figure = pareto_figure([PLAIN, CHEAP, long], where="ood", width=350)
    figure.canvas.draw()
    picture = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    assert (picture[:, -1] == 255).all()
    assert any(text.get_text().endswith("\N{HORIZONTAL ELLIPSIS}") for text in figure.axes[0].texts)
