import numpy as np
import pytest
from matplotlib.figure import Figure

from sightline.errors import DataError, ShapeError
from sightline.reporting.confusion import confusion_figure
from sightline.reporting.content import Confusion
from sightline.reporting.themes import DARK, LIGHT

COUNTS = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
CLASSES = ("normal", "pneumonia", "a very long name of a class")


def cells(figure: Figure, panel: int = 0) -> np.ndarray:
    return np.asarray(figure.axes[panel].images[0].get_array())


def test_colour_is_the_share_of_the_true_class() -> None:
    figure = confusion_figure([Confusion("plain", "on", COUNTS, CLASSES)])
    np.testing.assert_allclose(cells(figure), [[0.8, 0.2, 0], [0.1, 0.9, 0], [0, 0, 0]])


def test_counts_stand_in_their_cells() -> None:
    figure = confusion_figure([Confusion("plain", "on", COUNTS, CLASSES)])
    written = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert written[1, 0] == "2"  # true normal, predicted pneumonia
    assert written[0, 1] == "1"


def test_recipes_go_down_and_conditions_across() -> None:
    items = [Confusion(recipe, name, COUNTS, CLASSES) for recipe in ("plain", "ISNet") for name in ("on", "off")]
    first, second, third, _ = (axes.get_position() for axes in confusion_figure(items, theme=DARK).axes)
    assert first.y0 == second.y0 > third.y0
    assert first.x0 == third.x0 < second.x0


def test_counts_can_be_read_on_full_and_on_empty_cells() -> None:
    figure = confusion_figure([Confusion("plain", "on", np.array([[10, 0], [0, 10]]), ("a", "b"))])
    colors = {text.get_position(): text.get_color() for text in figure.axes[0].texts}
    assert colors[0, 0] == LIGHT.paper
    assert colors[1, 0] == LIGHT.ink


def test_many_classes_fit_a_phone() -> None:
    names = tuple(f"finding {index}" for index in range(14))
    figure = confusion_figure([Confusion("plain", "on", np.eye(14), names)], width=350)
    figure.canvas.draw()
    picture = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (edge == 255).all()


def test_counts_that_do_not_fit_their_classes_are_an_error() -> None:
    with pytest.raises(ShapeError, match=r"must be \(2, 2\) for its classes, got \(3, 3\)"):
        confusion_figure([Confusion("plain", "on", COUNTS, ("a", "b"))])
    with pytest.raises(DataError, match="at least one"):
        confusion_figure([])
