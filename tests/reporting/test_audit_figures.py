from pathlib import Path

import numpy as np
import pytest

from sightline.errors import DataError, DataNotFoundError
from sightline.evaluation.audit import Number, Section
from sightline.metrics import Interval
from sightline.reporting.audit_figures import CamPoints, cam_figure, read_cam_points, shares_inside_figure
from sightline.reporting.themes import DARK, LIGHT

GROUPS = {"": 0.4, "class left": 0.3, "source east": 0.9}


def interval(value: float) -> Interval:
    return Interval(value, value - 0.05, value + 0.05, 20, "percentile bootstrap of patients", n_patients=20)


def section(*methods: str, area: float = 0.25) -> Section:
    numbers = [Number("area of the region", interval(area), of) for of in GROUPS]
    for shift, method in enumerate(methods):
        numbers += [
            Number(f"share of relevance inside, {method}", interval(value - 0.02 * shift), of)
            for of, value in GROUPS.items()
        ]
    return Section("looking", "Does it?", "good", "It does.", tuple(numbers))


def texts(figure: object) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]  # type: ignore[attr-defined]


def test_each_group_has_a_dot_and_an_interval_a_method_and_the_area_of_its_region() -> None:
    figure = shares_inside_figure(section("LRP", "Grad-CAM"))
    axes, _ = figure.axes
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() not in ("None", None)]
    assert dots == pytest.approx([0.4, 0.38, 0.3, 0.28, 0.9, 0.88])
    spans = [tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] < 1]
    assert spans.count((0.25, 0.25)) == 3
    assert any(span == pytest.approx((0.35, 0.45)) for span in spans)
    assert texts(figure)[:3] == ["all cases", "class left", "source east"]
    assert texts(figure)[3:] == ["LRP", "Grad-CAM", "a map spread evenly"]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("width", [350, 880])
def test_the_first_method_has_the_accent_and_is_filled_in_both_themes_and_widths(theme: object, width: int) -> None:
    figure = shares_inside_figure(section("LRP", "Grad-CAM"), theme=theme, width=width)  # type: ignore[arg-type]
    marks = [line for line in figure.axes[0].lines if line.get_marker() not in ("None", None)]
    assert [line.get_markeredgecolor() for line in marks[:2]] == [theme.accent, theme.plain]  # type: ignore[attr-defined]
    assert [line.get_color() for line in marks[:2]] == [theme.accent, theme.paper]  # type: ignore[attr-defined]
    figure.canvas.draw()
    box = figure.get_tightbbox()
    assert box.x0 >= -0.01
    assert box.x1 <= figure.get_size_inches()[0] + 0.01


@pytest.mark.parametrize(("letters", "whole"), [(14, True), (25, True), (40, False)])
def test_names_of_any_length_stay_in_the_figure_and_most_are_whole(letters: int, whole: bool) -> None:
    name = "source " + letters * "x"
    numbers = (*section("LRP").numbers[:1], *section("LRP").numbers[3:4])
    numbers = tuple(Number(n.name, n.interval, name) for n in numbers)
    figure = shares_inside_figure(Section("looking", "?", "good", "", numbers))
    figure.canvas.draw()
    assert figure.get_tightbbox().x0 >= 0
    assert (name in texts(figure)) is whole


def test_a_section_without_shares_is_refused() -> None:
    with pytest.raises(DataError, match="holds no shares"):
        shares_inside_figure(Section("looking", "?", "unknown", ""))
    with pytest.raises(DataError, match="holds no shares"):
        shares_inside_figure(section("LRP", area=float("nan")))


def points(**changed: list[float]) -> CamPoints:
    values = {"cam": [0.9, 0.8, 0.1, np.nan], "other": [0.0, 0.9, 0.2, 0.3], "hidden": [1.0, 0.0, 0.0, np.nan]}
    return CamPoints(**{name: np.array(of) for name, of in (values | changed).items()})


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("width", [350, 560])
def test_hidden_cases_are_diamonds_and_the_others_circles(theme: object, width: int) -> None:
    figure = cam_figure(points(), theme=theme, width=width)  # type: ignore[arg-type]
    (axes,) = figure.axes
    circles, diamonds = (next(line for line in axes.lines if line.get_marker() == kind) for kind in "oD")
    assert list(diamonds.get_xdata()) == [0.9]
    assert list(circles.get_xdata()) == [0.8, 0.1]
    assert "1 of 3 cases hide something" in figure.texts[0].get_text()
    (corner,) = axes.patches
    assert (corner.get_x(), corner.get_y() + corner.get_height()) == pytest.approx((0.5, 0.1))
    figure.canvas.draw()
    assert figure.get_tightbbox().x0 >= 0


def test_points_without_a_known_pair_are_refused() -> None:
    with pytest.raises(DataError, match="no case"):
        cam_figure(points(cam=[np.nan] * 4))


def test_points_are_read_from_the_table_of_the_part(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError):
        read_cam_points(tmp_path)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "agreement.csv").write_text(
        "case,area,inside LRP,inside Grad-CAM,hidden\na,0.2,0.2,1.0,1.0\nb,0.2,0.6,,\n"
    )
    found = read_cam_points(tmp_path)
    np.testing.assert_allclose(found.cam, [1.0, np.nan])
    np.testing.assert_allclose(found.other, [0.0, 0.5])
    np.testing.assert_array_equal(found.hidden, [1.0, np.nan])
    with pytest.raises(DataError, match="no column inside RISE"):
        read_cam_points(tmp_path, names=("RISE", "LRP"))
