"""Where Grad-CAM says that architectures look: trained alike, compared lesion by lesion.

The scores of two models on one image are not independent; the tests of the study, which take them so, find less than a
paired test would.

Reference:
    Qiu et al. 2023, doi:10.1007/978-3-031-45676-3_23.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sightline.attribution import Class, Explainer, GradCAM, upsample_to
from sightline.comparing.conditions import Condition
from sightline.comparing.protocol import condition_batches
from sightline.comparing.study_settings import StudySettings
from sightline.data import Cohort, ImageCache, batches, read_cohort
from sightline.errors import DataError, SettingsError
from sightline.evaluation import Evaluation, evaluate
from sightline.metrics.averages import Array
from sightline.metrics.group_tests import GroupTest, PairDifference, one_way_anova, tukey_hsd
from sightline.metrics.heat_ratio import diff_grad_cam, effective_heat_ratio_area
from sightline.metrics.localisation import region_share
from sightline.models import VGG, ResNet, VisionTransformer
from sightline.plain import to_plain
from sightline.runs import RunFolder, write_json, write_text
from sightline.training import TrainSettings, load_trained, train
from sightline.types import Batch

HEAT_MEASURES = {"diff_grad_cam": "DiffGradCAM", "ehr_auc": "EHR AUC"}
_SCORES = ("precision", "recall", "auroc")


@dataclass(frozen=True, eq=False)
class Heat:
    """How one model does.

    Attributes:
        evaluation: its answers to the whole split.
        cases: names of the images whose lesions Grad-CAM was compared with, N.
        values: each of `HEAT_MEASURES`, `(N,)`, NaN where Grad-CAM is the same at all pixels; and `lesion`, the share
            of the image that the lesion covers, which is the heat ratio of heat that knows nothing of it.
    """

    evaluation: Evaluation
    cases: tuple[str, ...]
    values: Mapping[str, Array]

    def summary(self, positive: str) -> dict[str, Any]:
        """Scores, and mean, standard deviation, least and greatest of each measure."""
        scores: dict[str, Any] = {"accuracy": self.evaluation.metrics["accuracy"].value}
        scores |= {name: self.evaluation.per_class[positive][name].value for name in _SCORES}
        return scores | {measure: _summary(self.values[measure]) for measure in HEAT_MEASURES}


@dataclass(frozen=True, eq=False)
class GradCamStudy:
    """What came out of a study.

    Attributes:
        settings: what was asked for.
        positive: name of the class that was explained.
        models: how each model does, by name.
    """

    settings: StudySettings
    positive: str
    models: Mapping[str, Heat]

    @property
    def lesion(self) -> float:
        """Mean share of the image that a lesion covers."""
        return float(np.mean(next(iter(self.models.values())).values["lesion"]))

    def values(self, measure: str) -> dict[str, Array]:
        """One of `HEAT_MEASURES`, by model."""
        return {name: heat.values[measure] for name, heat in self.models.items()}

    def tests(self) -> dict[str, tuple[GroupTest, list[PairDifference]]]:
        """For each of `HEAT_MEASURES` whether the models differ, and which two.

        Models with fewer than two numbers are left out, and so is a measure that fewer than two models have.
        """
        found = {}
        for measure in HEAT_MEASURES:
            groups = {name: row for name, row in self.values(measure).items() if (~np.isnan(row)).sum() > 1}
            if len(groups) > 1:
                found[measure] = (one_way_anova(groups), tukey_hsd(groups, level=self.settings.level))
        return found

    def as_dict(self) -> dict[str, Any]:
        """Everything but the single cases, as `study.json` holds it."""
        return {
            "settings": to_plain(self.settings),
            "positive": self.positive,
            "lesion": self.lesion,
            "models": {name: heat.summary(self.positive) for name, heat in self.models.items()},
            "tests": {
                measure: {"anova": anova.as_dict(), "tukey_hsd": [pair.as_dict() for pair in pairs]}
                for measure, (anova, pairs) in self.tests().items()
            },
        }

    def as_csv(self) -> str:
        """One line a model and lesion."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = [*HEAT_MEASURES, "lesion"]
        writer.writerow(["model", "case", *columns])
        for name, heat in self.models.items():
            for row, case in enumerate(heat.cases):
                values = [heat.values[measure][row] for measure in columns]
                writer.writerow([name, case, *("" if np.isnan(value) else float(value) for value in values)])
        return text.getvalue()

    def write(self, folder: Path) -> None:
        """Write `study.csv` and `study.json`, each atomically."""
        write_text(folder / "study.csv", self.as_csv())
        write_json(folder / "study.json", self.as_dict())


def run_study(
    settings: StudySettings,
    folder: Path,
    *,
    trainer: Callable[[TrainSettings, Path], RunFolder] | None = None,
    progress: Callable[[str], Callable[[int, int | None], None]] | None = None,
) -> GradCamStudy:
    """Train each model into a folder of its name, and measure where Grad-CAM says that it looks.

    What is there is taken as it is: finished runs are read, a run that was interrupted goes on.

    Args:
        settings: of the study.
        folder: holds the runs, `study.json` and `study.csv`.
        trainer: trains one model into its run folder, or continues it there; `train` by default.
        progress: asked for a function of batches done and batches in all, once a model.

    Raises:
        SettingsError: the class to explain is unknown or left open.
        DataError: the split has no image of it with a mask of its own.
        RunError: a folder holds a run with other settings.
    """
    cohort = read_cohort(settings.data.cohort)
    positive = _positive(settings, cohort)
    lesions = with_lesions(cohort.split(settings.split), positive)
    start = trainer or _train
    models = {}
    for name in settings.models:
        training = settings.training(name)
        run = start(training, folder / name)
        model = load_trained(training, run, num_classes=cohort.num_classes)
        cache = ImageCache(settings.data.cache_mib, settings.data.cache_dir)
        evaluation = evaluate(
            model,
            condition_batches(settings.data, cohort, Condition(settings.split), cache=cache),
            task=cohort.task,
            classes=cohort.classes,
            patients={case.id: case.patient for case in cohort.cases},
            progress=progress(name) if progress else None,
        )
        prepared = replace(settings.data.preprocessing, regions="mask")
        found = batches(lesions, prepared, batch_size=settings.data.batch_size, seed=None, cache=cache)
        explainer = GradCAM(settings.layers.get(name) or study_layer(model))
        values = measure_heat(model, found, cohort.classes.index(positive), explainer, settings)
        models[name] = Heat(evaluation, tuple(case.id for case in lesions.cases), values)
    study = GradCamStudy(settings, positive, models)
    study.write(folder)
    return study


def measure_heat(
    model: nn.Module, found: Iterable[Batch], positive: int, explainer: Explainer, settings: StudySettings
) -> dict[str, Array]:
    """Draw the map of a class and compare it with the lesions.

    Args:
        model: in evaluation mode.
        found: images of the class, each with its lesion as region.
        positive: index of the class.
        explainer: draws the map.
        settings: of the study.

    Returns:
        Each of `HEAT_MEASURES`, and `lesion`, `(N,)`; see `Heat`.
    """
    device = next(model.parameters()).device
    values: dict[str, list[Array]] = {measure: [] for measure in (*HEAT_MEASURES, "lesion")}
    for batch in found:
        with torch.no_grad():
            maps = explainer(model, batch.images.to(device), Class(positive)).attribution.cpu()
        maps = upsample_to(maps, tuple(batch.images.shape[2:]))
        lesions = batch.regions[:, [positive if batch.regions.shape[1] > 1 else 0]]
        ratio = effective_heat_ratio_area(maps, lesions, variant=settings.variant, steps=settings.steps)
        values["diff_grad_cam"].append(diff_grad_cam(maps, lesions).double().numpy())
        values["ehr_auc"].append(ratio.double().numpy())
        values["lesion"].append(region_share(lesions).double().numpy())
    return {measure: np.concatenate(parts) for measure, parts in values.items()}


def study_layer(model: nn.Module) -> str | None:
    """Name the layer at which the study draws Grad-CAM.

    It is the last convolution of a VGG, the last block of a ResNet, and what the last attention of a vision transformer
    reads. For any other model it is None: `GradCAM` finds the last feature map.
    """
    if isinstance(model, VGG):
        convolutions = [n for n, m in model.features.named_modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]
        return f"features.{convolutions[-1]}"
    if isinstance(model, ResNet):
        return f"layer4.{len(model.layer4) - 1}"
    if isinstance(model, VisionTransformer):
        return f"blocks.{len(model.blocks) - 1}.norm1"
    return None


def _positive(settings: StudySettings, cohort: Cohort) -> str:
    name = settings.positive
    if name is None and cohort.task == "binary":
        return cohort.classes[1]
    if name is None or name not in cohort.classes:
        raise SettingsError(f"positive must be one of {', '.join(cohort.classes)}, got {name}")
    return name


def with_lesions(cohort: Cohort, positive: str) -> Cohort:
    """Return the images of a class that have a mask of their own for it.

    Raises:
        DataError: there is none.
    """
    index = cohort.classes.index(positive)
    cases = tuple(
        case
        for case in cohort.cases
        if positive in case.class_masks
        and (case.label == index if isinstance(case.label, int) else case.label[index] == 1)
    )
    if not cases:
        raise DataError(
            f"no image of {positive} has a mask of its own, column mask:{positive}; nothing to compare with"
        )
    return replace(cohort, cases=cases)


def _summary(values: Array) -> dict[str, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return {"n": 0, **dict.fromkeys(("mean", "sd", "least", "greatest"), float("nan"))}
    spread = float(known.std(ddof=1)) if len(known) > 1 else float("nan")
    limits = {"least": float(known.min()), "greatest": float(known.max())}
    return {"n": len(known), "mean": float(known.mean()), "sd": spread, **limits}


def _train(settings: TrainSettings, folder: Path) -> RunFolder:
    return train(settings, folder, resume=(folder / "config.yaml").is_file())
