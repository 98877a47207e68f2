"""Figures and the self-contained HTML report, from plain arrays."""

from sightline.reporting.bias_gap import bias_gap_figure
from sightline.reporting.confusion import confusion_figure
from sightline.reporting.content import (
    Confusion,
    Curve,
    GalleryMap,
    GalleryRow,
    GapRow,
    ReportContent,
    Score,
    ScoreRow,
)
from sightline.reporting.curves import curves_figure, curves_of
from sightline.reporting.gallery import gallery_figure
from sightline.reporting.overlay import heatmap_overlay, save_image
from sightline.reporting.report import render_report, write_report
from sightline.reporting.themes import DARK, LIGHT, Theme, save_figure

__all__ = [
    "DARK",
    "LIGHT",
    "Confusion",
    "Curve",
    "GalleryMap",
    "GalleryRow",
    "GapRow",
    "ReportContent",
    "Score",
    "ScoreRow",
    "Theme",
    "bias_gap_figure",
    "confusion_figure",
    "curves_figure",
    "curves_of",
    "gallery_figure",
    "heatmap_overlay",
    "render_report",
    "save_figure",
    "save_image",
    "write_report",
]
