"""The report: one HTML file that holds everything it shows."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from sightline.reporting import words
from sightline.reporting.bias_gap import bias_gap_figure
from sightline.reporting.confusion import confusion_figure
from sightline.reporting.content import GalleryRow, ReportContent, ScoreRow, condition_words
from sightline.reporting.curves import curves_figure
from sightline.reporting.gallery import SMOOTH, check_gallery
from sightline.reporting.overlay import heatmap_overlay, image_png
from sightline.reporting.themes import CSS_PIXEL, DARK, LIGHT, Theme, png_bytes
from sightline.runs import write_text

WIDE, NARROW = 1016, 350  # CSS pixels
TILE = 384  # pixels of a heatmap, shown at up to 250 CSS pixels


@dataclass(frozen=True)
class Picture:
    """A chart in four drawings, of which the style sheet shows the one that fits the width and the colours.

    Not a `<picture>`: a browser does not choose its source again for printing.

    Attributes:
        alt: the chart in words.
        drawings: style class, data address, width and height in CSS pixels of each.
    """

    alt: str
    drawings: tuple[tuple[str, str, int, int], ...]


@dataclass(frozen=True)
class Tile:
    """One image of the gallery as the page needs it.

    Attributes:
        heading: name of its column.
        address: data address.
        alt: the picture in words.
        predicted: answer of the model; empty for the bare image.
        right: whether the answer is the true class.
        probability: of the answer, as text; may be empty.
        share: share of relevance inside the region, as text; empty when unknown.
        bar: the same in per cent, for the bar.
    """

    heading: str
    address: str
    alt: str
    predicted: str = ""
    right: bool = False
    probability: str = ""
    share: str = ""
    bar: float = 0.0


def write_report(path: Path, content: ReportContent) -> None:
    """Write `content` as one self-contained HTML file, atomically.

    Raises:
        DataError: parts of the content do not fit each other.
        ShapeError: an explanation or region has another size than its image.
    """
    write_text(path, render_report(content))


def render_report(content: ReportContent) -> str:
    """Return the page as text; see `write_report`."""
    environment = Environment(
        loader=PackageLoader("sightline.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=words.number, interval=words.interval)
    if content.gallery:
        check_gallery(content.gallery)
    return environment.get_template("report.html.j2").render(
        content=content,
        light=LIGHT,
        dark=DARK,
        answer=content.answer or words.answer(content.gaps, content.metric),
        gap=_gap_picture(content),
        groups=_groups(content.table),
        columns=list(dict.fromkeys(name for row in content.table for name in row.scores)),
        confusion=_confusion_picture(content),
        gallery=[(row, _tiles(row, content.region_name)) for row in content.gallery],
        curves=_curves_picture(content),
        condition_words=condition_words,
    )


def _gap_picture(content: ReportContent) -> Picture | None:
    if not content.gaps:
        return None
    return _picture(
        words.describe_gaps(content.gaps, content.metric),
        lambda theme, width: bias_gap_figure(
            content.gaps, metric=content.metric, chance=content.chance, theme=theme, width=width
        ),
    )


def _curves_picture(content: ReportContent) -> Picture | None:
    if not content.curves:
        return None
    alt = words.describe_curves(content.curves)
    return _picture(alt, lambda theme, width: curves_figure(content.curves, theme=theme, width=width))


def _confusion_picture(content: ReportContent) -> Picture | None:
    if not content.confusions:
        return None
    alt = words.describe_confusions(content.confusions)
    return _picture(alt, lambda theme, width: confusion_figure(content.confusions, theme=theme, width=width))


def _picture(alt: str, draw: Callable[[Theme, float], Figure]) -> Picture:
    drawings = []
    for form, width in (("wide", WIDE), ("narrow", NARROW)):
        for theme in (LIGHT, DARK):
            figure = draw(theme, width)
            across, down = (round(side / CSS_PIXEL) for side in figure.get_size_inches())
            drawings.append((f"{form} {theme.name}", _address(png_bytes(figure)), across, down))
    return Picture(alt, tuple(drawings))


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _groups(table: tuple[ScoreRow, ...]) -> dict[str, list[ScoreRow]]:
    groups: dict[str, list[ScoreRow]] = {}
    for row in table:
        groups.setdefault(row.recipe, []).append(row)
    return groups


def _tiles(row: GalleryRow, region_name: str) -> list[Tile]:
    bare = Tile("image", _address(image_png(heatmap_overlay(row.image, size=TILE))), f"Image {row.case}: {row.label}")
    return [bare] + [
        Tile(
            heading=shown.recipe,
            address=_address(
                image_png(heatmap_overlay(row.image, shown.attribution, row.region, size=TILE, smooth=SMOOTH))
            ),
            alt=words.describe_map(row, shown, region_name),
            predicted=shown.predicted,
            right=shown.predicted == row.label,
            probability="" if shown.probability is None else words.percent(shown.probability),
            share="" if shown.share_inside != shown.share_inside else words.percent(shown.share_inside),
            bar=0.0 if shown.share_inside != shown.share_inside else 100 * shown.share_inside,
        )
        for shown in row.maps
    ]
