"""Figures and the self-contained HTML report, from plain arrays."""

from sightline.reporting.bias_gap import bias_gap_figure
from sightline.reporting.cards import card_markdown, write_cards
from sightline.reporting.confusion import confusion_figure
from sightline.reporting.content import (
    Card,
    CardPart,
    Confusion,
    Curve,
    GapRow,
    Priced,
    PValue,
    ReportContent,
    Score,
    ScoreRow,
    Table,
)
from sightline.reporting.curves import curves_figure, curves_of
from sightline.reporting.gallery import gallery_figure
from sightline.reporting.gallery_rows import GalleryMap, GalleryRow
from sightline.reporting.overlay import heatmap_overlay, save_image
from sightline.reporting.pareto import front, pareto_figure
from sightline.reporting.planes import Planes, cut_planes, planes_figure
from sightline.reporting.report import render_report, write_report
from sightline.reporting.slice_curves import slice_curves_figure
from sightline.reporting.themes import DARK, LIGHT, Theme, save_figure

__all__ = [
    "DARK",
    "LIGHT",
    "Card",
    "CardPart",
    "Confusion",
    "Curve",
    "GalleryMap",
    "GalleryRow",
    "GapRow",
    "PValue",
    "Planes",
    "Priced",
    "ReportContent",
    "Score",
    "ScoreRow",
    "Table",
    "Theme",
    "bias_gap_figure",
    "card_markdown",
    "confusion_figure",
    "curves_figure",
    "curves_of",
    "cut_planes",
    "front",
    "gallery_figure",
    "heatmap_overlay",
    "pareto_figure",
    "planes_figure",
    "render_report",
    "save_figure",
    "save_image",
    "slice_curves_figure",
    "write_cards",
    "write_report",
]
