"""Train several architectures alike and compare where they look.

  sightline study grad-cam data.cohort=my-xrays
  sightline study grad-cam data.cohort=my-xrays -c mine.yaml weights='{vgg16: vgg16.pth}'

grad-cam: Grad-CAM inside and outside the outlined lesions of one class, after Qiu et al. 2023. Its settings start from
the recipe grad-cam-study. What is trained already is not trained again.
"""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.cli.output import say, say_json, table
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.cli.talk import progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sightline.comparing import GradCamStudy

SETTINGS = ("sightline.comparing.study_settings", "StudySettings")

_RECIPES = {"grad-cam": "grad-cam-study"}


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="holds the runs and the results; default: runs/NAME")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Run the study."""
    from sightline.cli.settings import read_settings, to_yaml, words_to_overrides
    from sightline.cli.training import train_in_stages
    from sightline.comparing import StudySettings, run_study
    from sightline.reporting.themes import save_figure

    names, overrides = words_to_overrides(arguments.words)
    if len(names) != 1 or names[0] not in _RECIPES:
        asked = " ".join(names) or "nothing"
        raise UsageError(f"name the study, {', '.join(_RECIPES)}; got {asked}; as in: sightline study grad-cam")
    settings = read_settings(StudySettings, [_RECIPES[names[0]], *arguments.config], overrides)
    if arguments.print_config:
        say(to_yaml(settings).rstrip())
        return 0
    folder = arguments.out or Path("runs") / settings.name
    with progress() as stage:
        study = run_study(
            settings,
            folder,
            trainer=lambda training, place: train_in_stages(training, place, stage, resume=True),
            progress=lambda name: stage(f"{name} on {settings.split}"),
        )
    save_figure(_figure(study), folder / "study.png")
    if arguments.json:
        say_json(study.as_dict())
    else:
        say(_table(study))
        say(f"\n{_tests(study)}{folder / 'study.csv'}, study.json, study.png")
    return 0


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
