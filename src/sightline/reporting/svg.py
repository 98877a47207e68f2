"""Figures as SVG inside a page: in the colours and the type of the page, whatever its theme."""

import io
import re

import matplotlib
from matplotlib.figure import Figure

from sightline.reporting.themes import LIGHT

_NOTHING = {"Date": None, "Creator": None, "Format": None, "Type": None}
_COLOURS = {
    **{getattr(LIGHT, name): name for name in ("paper", "panel", "ink", "muted", "line", "accent", "plain")},
    **{colour: f"other-{index}" for index, colour in enumerate(LIGHT.others)},
}


def inline_svg(figure: Figure, name: str) -> str:
    """Draw a figure of the light theme as SVG to be put into a page.

    Colours of the theme become the variables of the style sheet (`var(--ink)`), so that one drawing serves light and
    dark; text stays text, in the type of the page. The same figure gives the same text.

    Args:
        figure: drawn in `LIGHT`.
        name: stands before every id, unique in the page.
    """
    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "sightline"}):
        figure.savefig(stream, format="svg", facecolor=figure.get_facecolor(), metadata=_NOTHING)
    text = stream.getvalue().decode("utf-8")
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"<[^>]*>", lambda tag: _plain_tag(tag[0], name), body)  # matplotlib escapes both signs elsewhere
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", body))
    body = re.sub(r' id="([^"]*)"(?=[^<]*>)', lambda found: found[0] if found[1] in used else "", body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    box = re.search(r'viewBox="([^"]*)"', text)
    return f'<svg viewBox="{box[1] if box else ""}" aria-hidden="true">{_without_empty_groups(body)}'.strip()


def _plain_tag(tag: str, name: str) -> str:
    """Give one tag the variables of the page, ids of its own, and shorter numbers."""
    tag = tag.replace("xlink:href", "href")
    tag = re.sub(r" transform=\"rotate\(-?0 [^)]*\)\"", "", tag)
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    tag = re.sub(r"#[0-9a-f]{6}\b(?=[;\"])", _variable, tag)
    tag = re.sub(r"( id=\"|url\(#|href=\"#)", rf"\g<1>{name}-", tag)
    return re.sub(r"(?<![\w.#-])-?\d+\.\d{2,}", lambda number: f"{float(number[0]):.1f}", tag)


def _variable(colour: re.Match[str]) -> str:
    name = _COLOURS.get(colour[0])
    return f"var(--{name})" if name else colour[0]


def _without_empty_groups(body: str) -> str:
    previous = ""
    while previous != body:
        previous, body = body, re.sub(r"<g>\s*</g>|<g/>|<defs>\s*</defs>", "", body)
    return body
