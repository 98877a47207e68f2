"""Grad-CAM inside and outside the outlined lesions of one class."""

from pathlib import Path
from typing import TYPE_CHECKING

from sightline.cli.output import table
from sightline.cli.talk import progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sightline.comparing import GradCamStudy, StudySettings

RECIPES = ("grad-cam-study",)


def settings_kind() -> "type[StudySettings]":
    """Class of its settings."""
    from sightline.comparing import StudySettings

    return StudySettings


def run(settings: "StudySettings", folder: Path) -> "GradCamStudy":
    """Run the study and draw its figure."""
    from sightline.cli.training import train_in_stages
    from sightline.comparing import run_study
    from sightline.reporting.themes import save_figure

    with progress() as stage:
        study = run_study(
            settings,
            folder,
            trainer=lambda training, place: train_in_stages(training, place, stage, resume=True),
            progress=lambda name: stage(f"{name} on {settings.split}"),
        )
    save_figure(_figure(study), folder / "study.png")
    return study


def words(study: "GradCamStudy", folder: Path) -> str:
    """Say what came out."""
    return f"{_table(study)}\n\n{_tests(study)}{folder / 'study.csv'}, study.json, study.png"


def _figure(study: "GradCamStudy") -> "Figure":
    from sightline.comparing import HEAT_MEASURES
    from sightline.reporting.group_boxes import group_boxes_figure

    charts = {title: study.values(measure) for measure, title in HEAT_MEASURES.items()}
    kinds = {name: name.rstrip("0123456789").partition("_")[0] for name in study.models}
    chance = {HEAT_MEASURES["diff_grad_cam"]: 0.0, HEAT_MEASURES["ehr_auc"]: study.lesion}
    title = f"Grad-CAM of {study.positive}, inside and outside its outline"
    return group_boxes_figure(charts, kinds=kinds, chance=chance, title=title)


def _table(study: "GradCamStudy") -> str:
    """Lay out one line a model: how well it classifies, and how much of its heat lies in the lesions."""
    rows = []
    for name, model in study.models.items():
        found = model.summary(study.positive)
        scores = [_number(found[score], 3) for score in ("accuracy", "precision", "recall", "auroc")]
        difference, ratio = found["diff_grad_cam"], found["ehr_auc"]
        spread = f"{_number(difference['mean'], 3)} \N{PLUS-MINUS SIGN} {_number(difference['sd'], 3)}"
        rows.append([name, *scores, spread, _number(ratio["mean"], 4), str(difference["n"])])
    return table(["", "accuracy", "precision", "recall", "AUROC", "DiffGradCAM", "EHR AUC", "lesions"], rows)


def _number(value: float, digits: int) -> str:
    return "-" if value != value else f"{value:.{digits}f}"


def _tests(study: "GradCamStudy") -> str:
    """Say for each measure whether the models differ, and which pairs."""
    from sightline.comparing import HEAT_MEASURES

    lines = []
    for measure, (anova, pairs) in study.tests().items():
        lines.append(f"{HEAT_MEASURES[measure]}: one-way ANOVA p = {anova.p:.2g}\n")
        surely = [pair for pair in pairs if pair.p < 1 - study.settings.level]
        lines += [f"  {pair.first} - {pair.second} = {pair.difference:+.3f}, p = {pair.p:.2g}\n" for pair in surely]
        if not surely:
            lines.append("  no two models differ (Tukey's HSD)\n")
    return "".join([*lines, "\n"] if lines else lines)
