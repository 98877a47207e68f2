import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

from sightline.reporting.bias_gap import bias_gap_figure
from sightline.reporting.content import GapRow, Score
from sightline.reporting.svg import inline_svg
from sightline.reporting.themes import LIGHT, lettering, new_figure

NAME = 'a <b> & "c" id="x" 1.2345 #16181d; rotate(-0 1 2)'


def figure() -> Figure:
    gaps = [
        GapRow("plain", {"on": Score(1.0, 0.99, 1), "off": Score(0.17, 0.1, 0.2)}),
        GapRow(NAME, {"on": Score(0.74), "off": Score(0.73)}, True),
    ]
    return bias_gap_figure(gaps, chance=1 / 3)


@pytest.fixture(scope="module")
def svg() -> str:
    return inline_svg(figure(), "gap")


class Words(HTMLParser):
    """Collects text, attributes and unclosed tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_text_stays_text_whatever_it_says(svg: str) -> None:
    words = Words(svg).words
    for text in (NAME, "0.25", "plain", "Bias on", "chance"):
        assert text in words
    assert "font-family" not in svg  # that of the page


def test_colours_of_the_theme_become_those_of_the_page(svg: str) -> None:
    for name in ("paper", "ink", "muted", "line", "accent", "plain"):
        assert f"var(--{name})" in svg
    tags = "".join(re.findall(r"<[^>]*>", svg))
    assert not re.search(r"#[0-9a-f]{6}", tags)


def test_a_colour_that_is_not_of_the_theme_stays() -> None:
    drawn = new_figure(100, 50, LIGHT)
    drawn.text(0.5, 0.5, "red", **lettering("#ff0000", 13))
    assert "fill: #ff0000" in inline_svg(drawn, "x")


def test_it_is_closed_and_only_ids_that_are_referred_to_are_kept_under_the_name(svg: str) -> None:
    read = Words(svg)
    assert read.open == []
    assert read.ids
    assert set(read.ids) == set(re.findall(r"(?:url\(#|href=\")#?([^)\"#]+)", svg))
    assert all(name.startswith("gap-") for name in read.ids)


def test_nothing_of_it_reaches_outside(svg: str) -> None:
    tags = "".join(re.findall(r"<[^>]*>", svg))
    assert "http" not in tags
    assert "<style" not in svg  # matplotlib's would hold for the whole page
    assert "<metadata" not in svg


def test_the_same_figure_gives_the_same_text(svg: str) -> None:
    assert inline_svg(figure(), "gap") == svg


def test_coordinates_have_one_decimal_and_stay_where_they_were() -> None:
    drawn = new_figure(200, 100, LIGHT)
    drawn.add_axes((0, 0, 1, 1)).plot([0, 1], [0.123456, 0.654321])
    numbers = [float(number) for number in re.findall(r"-?\d+\.\d+", inline_svg(drawn, "x"))]
    assert numbers
    np.testing.assert_allclose(numbers, np.round(numbers, 1))
