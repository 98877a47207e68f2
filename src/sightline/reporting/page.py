"""What every page is made of: one HTML file with its style and its script in it, and the parts that fill it."""

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from sightline.reporting import words
from sightline.reporting.content import PValue, condition_words
from sightline.reporting.svg import inline_svg
from sightline.reporting.themes import DARK, LIGHT, Theme

WIDE, NARROW = 1016, 350  # CSS pixels
_SCRIPTS = ("page.js", "gallery.js")


@dataclass(frozen=True)
class Chart:
    """A chart in two drawings, of which the style sheet shows the one that fits the width.

    Attributes:
        alt: the chart in words.
        wide: SVG for a desktop.
        narrow: SVG for a phone.
    """

    alt: str
    wide: Markup
    narrow: Markup


def make_chart(name: str, alt: str, draw: Callable[[Theme, float], Figure]) -> Chart:
    """Draw a chart for desktop and phone.

    Args:
        name: unique in the page.
        alt: the chart in words.
        draw: draws it in a theme, so many CSS pixels wide.
    """
    drawings = (
        Markup(inline_svg(draw(LIGHT, width), f"{name}-{form}")) for form, width in (("wide", WIDE), ("narrow", NARROW))
    )
    return Chart(alt, *drawings)


def render_page(template: str, **values: Any) -> str:  # noqa: ANN401 - whatever the template asks for
    """Fill a template that extends `base.html.j2`; the page holds all it shows and runs no script but its own.

    Args:
        template: name of the file among the templates.
        values: what it shows; strings are escaped.
    """
    loader = PackageLoader("sightline.reporting")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=words.number, interval=words.interval, p_value=words.p_value, condition=_condition, choices=_choices
    )
    environment.tests["p_value"] = lambda value: isinstance(value, PValue)
    script = "".join(loader.get_source(environment, name)[0] for name in _SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return environment.get_template(template).render(
        light=LIGHT,
        dark=DARK,
        script=Markup(script),
        script_hash=digest,
        **values,
    )


def data_address(png: bytes) -> str:
    """Write a PNG as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _condition(name: str) -> str:
    return condition_words(name)[0]


def _choices(names: Iterable[str]) -> list[tuple[str, str]]:
    """Name the values of a list to choose from; conditions by their words."""
    return [(name, condition_words(name)[0]) for name in names]
