"""HiResCAM and Grad-CAM against the outlines of objects, by the number of labels in an image."""

from pathlib import Path
from typing import TYPE_CHECKING

from sightline.cli.output import table
from sightline.cli.talk import progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sightline.comparing import VocCams, VocCamsSettings
    from sightline.metrics import Interval

RECIPES = ("voc-vgg16", "voc-cams-study")


def settings_kind() -> "type[VocCamsSettings]":
    """Class of its settings."""
    from sightline.comparing import VocCamsSettings

    return VocCamsSettings


def run(settings: "VocCamsSettings", folder: Path) -> "VocCams":
    """Run the study and draw its figure."""
    from sightline.cli.training import train_in_stages
    from sightline.comparing import run_voc_cams
    from sightline.reporting.themes import save_figure

    with progress() as stage:
        study = run_voc_cams(
            settings,
            folder,
            trainer=lambda training, place: train_in_stages(training, place, stage, resume=True),
            progress=stage,
        )
    save_figure(_figure(study), folder / "study.png")
    return study


def words(study: "VocCams", folder: Path) -> str:
    """Lay out one line a number of labels, and say where the files are."""
    rows = []
    for number, found in study.by_number().items():
        t_test, wilcoxon = (f"{test.p:.2g}" if test.p == test.p else "-" for test in (found.t_test, found.wilcoxon))
        maps = [_interval(found.maps[name]) for name in found.maps]
        rows.append([number, str(found.images), str(found.difference.n), *maps, _interval(found.difference), t_test])
        rows[-1].append(wilcoxon)
    head = ["labels", "images", "pairs", "HiResCAM IoU", "Grad-CAM IoU", "difference", "p (t)", "p (Wilcoxon)"]
    level = f"{study.settings.resampling.level:.0%}".removesuffix("%")
    return (
        f"{table(head, rows)}\n\n{level} % intervals by drawing images; tests of the means of images\n"
        f"{folder / 'study.csv'}, study.json, study.png"
    )


def _interval(found: "Interval") -> str:
    if found.value != found.value:
        return "-"
    limits = f" [{found.low:.3f}, {found.high:.3f}]" if found.low == found.low else ""
    return f"{found.value:.3f}{limits}"


def _figure(study: "VocCams") -> "Figure":
    from sightline.comparing import MAP_TITLES
    from sightline.reporting.group_boxes import group_boxes_figure

    names = {number: {"1": "1 label", "2": "2 labels"}.get(number, number) for number in study.by_number()}
    charts = {
        title: {text: study.overlaps.values[name][study.rows(number)] for number, text in names.items()}
        for name, title in MAP_TITLES.items()
    }
    figure = group_boxes_figure(charts, title="IoU with the outlines, by the number of labels in an image")
    for axes in figure.axes:
        axes.set_xlim(0, 1)
    return figure
