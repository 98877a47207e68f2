import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from sightline.errors import DataError, ShapeError
from sightline.reporting.confusion import DEEPEST, confusion_figure
from sightline.reporting.content import Confusion
from sightline.reporting.themes import DARK, LIGHT, Theme

COUNTS = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
CLASSES = ("normal", "pneumonia", "a very long name of a class")


def cells(figure: Figure, panel: int = 0) -> np.ndarray:
    """Opacity of each cell, true class down."""
    drawn = {patch.get_xy(): patch.get_alpha() for patch in figure.axes[panel].patches}
    side = round(len(drawn) ** 0.5)
    return np.array([[drawn[x - 0.5, y - 0.5] for x in range(side)] for y in range(side)])


def test_colour_is_the_share_of_the_true_class() -> None:
    figure = confusion_figure([Confusion("plain", "on", COUNTS, CLASSES)])
    np.testing.assert_allclose(cells(figure), DEEPEST * np.array([[0.8, 0.2, 0], [0.1, 0.9, 0], [0, 0, 0]]))


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


def luminance(color: np.ndarray) -> float:
    linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_counts_can_be_read_on_full_and_on_empty_cells(theme: Theme) -> None:
    figure = confusion_figure([Confusion("plain", "on", np.array([[10, 0], [5, 5]]), ("a", "b"))], theme=theme)
    assert {text.get_color() for text in figure.axes[0].texts} == {theme.ink}
    ink, panel, accent = (np.array(to_rgb(color)) for color in (theme.ink, theme.panel, theme.accent))
    for opacity in cells(figure).ravel():
        low, high = sorted((luminance(ink), luminance((1 - opacity) * panel + opacity * accent)))
        assert (high + 0.05) / (low + 0.05) >= 4.5


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
