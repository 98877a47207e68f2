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
from sightline.reporting.planes import Planes, cut_planes, planes_figure
from sightline.reporting.report import render_report, write_report
from sightline.reporting.slice_curves import slice_curves_figure
from sightline.reporting.themes import DARK, LIGHT, Theme, save_figure

__all__ = [
    "DARK",
    "LIGHT",
    "Confusion",
    "Curve",
    "GalleryMap",
    "GalleryRow",
    "GapRow",
    "Planes",
    "ReportContent",
    "Score",
    "ScoreRow",
    "Theme",
    "bias_gap_figure",
    "confusion_figure",
    "curves_figure",
    "curves_of",
    "cut_planes",
    "gallery_figure",
    "heatmap_overlay",
    "planes_figure",
    "render_report",
    "save_figure",
    "save_image",
    "slice_curves_figure",
    "write_report",
]
