"""One protocol for every run: the same cases, the same explanation, the same intervals."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from torch import nn

from sightline.attribution import LRP, Explainer, Predicted
from sightline.comparing.conditions import Condition
from sightline.data import Batches, Cohort, DataSettings, ImageCache, chosen_batches, read_cohort
from sightline.evaluation import (
    Evaluation,
    EvaluationSettings,
    evaluate,
    evaluate_saliency,
    organ_iou_of_run,
    read_evaluation,
)
from sightline.metrics.resampling import Resampling
from sightline.regions.allowed import label_groups
from sightline.runs import RunFolder
from sightline.training import TrainSettings, load_trained

EXPLAINER = LRP(epsilon=1e-2, input_rule="zb")
Progress = Callable[[int, int | None], None]


def condition_batches(
    data: DataSettings, cohort: Cohort, condition: Condition, *, cache: ImageCache | None = None
) -> Batches:
    """Return the images of a condition in their order, prepared as the run prepares them and not augmented.

    Where a volume may be looked at for a finding that is absent counts as unknown here: none of it is a right place.
    """
    if data.volume is not None:
        data = replace(data, volume=replace(data.volume, absent="unknown"))
    return chosen_batches(data, cohort.split(condition.split), bias=condition.bias, cache=cache)


def evaluate_run(
    settings: TrainSettings,
    run: RunFolder,
    conditions: Iterable[Condition],
    *,
    cohort: Cohort | None = None,
    evaluation: EvaluationSettings | None = None,
    explainer: Explainer | None = EXPLAINER,
    again: bool = False,
    progress: Callable[[Condition], Progress] | None = None,
) -> dict[Condition, Evaluation]:
    """Test a run under some conditions, and write each result into its folder.

    Args:
        settings: those of the run.
        run: a finished run.
        conditions: what to test on. What was tested before with these very weights is read, not computed.
        cohort: that of the settings, where it has been read already.
        evaluation: how much to explain, how to draw intervals.
        explainer: of the predicted class; None explains nothing.
        again: compute also what is there.
        progress: asked for a function of batches done and batches in all, once a condition.

    Returns:
        The evaluations, in the order of the conditions.

    Raises:
        RunError: the run has no final weights.
        DataError: the weights are of a model for other classes, or a case cannot be used.
    """
    cohort = read_cohort(settings.data.cohort) if cohort is None else cohort
    model = load_trained(settings, run, num_classes=cohort.num_classes)
    patients = {case.id: case.patient for case in cohort.cases}
    found: dict[Condition, Evaluation] = {}
    for condition in conditions:
        folder, maps = run.evaluation(condition.split, condition.bias), maps_folder(run, condition)
        if not again and is_current(run, folder):
            found[condition] = read_evaluation(folder, maps=maps)
            continue
        images = condition_batches(settings.data, cohort, condition)
        found[condition] = evaluate(
            model,
            images,
            task=cohort.task,
            classes=cohort.classes,
            patients=patients,
            explainer=explainer,
            target=Predicted(),
            settings=evaluation,
            progress=progress(condition) if progress else None,
        )
        _measure_maps(settings.data, cohort, model, condition, folder, evaluation.resampling if evaluation else None)
        found[condition].write(folder, maps=maps)  # last: it makes the evaluation one that is there
    return found


def _measure_maps(
    data: DataSettings,
    cohort: Cohort,
    model: nn.Module,
    condition: Condition,
    folder: Path,
    resampling: Resampling | None,
) -> None:
    """Measure a map that is drawn by the model's gaze, and the attention to volumes by the organs of the findings."""
    patients = {case.id: case.patient for case in cohort.cases}
    images = condition_batches(data, cohort, condition)
    if data.preprocessing.regions == "gaze" and hasattr(model, "answer"):
        evaluate_saliency(model, images, patients=patients).write(folder, resampling=resampling)
    masked = {case.split for case in cohort.cases if case.class_masks}
    if data.volume is not None and cohort.task == "multilabel" and {"val", condition.split} <= masked:
        validation = condition_batches(data, cohort, Condition("val"))
        groups = {
            name: tuple(each for each in labels if each in cohort.classes) for name, labels in label_groups().items()
        }
        groups = {name: labels for name, labels in groups.items() if labels}
        measured = organ_iou_of_run(model, validation, images, cohort.classes, groups=groups, patients=patients)
        measured.write(folder, resampling=resampling)


def maps_folder(run: RunFolder, condition: Condition) -> Path:
    """Folder of the maps kept under a condition."""
    return run.path / "maps" / str(condition)


def is_current(run: RunFolder, folder: Path) -> bool:
    """Whether an evaluation is there and younger than the weights."""
    written = folder / "metrics.json"
    return written.is_file() and run.weights.is_file() and written.stat().st_mtime >= run.weights.stat().st_mtime
