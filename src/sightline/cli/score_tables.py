"""Tables of a report about tested runs: scores of each class, and how well attention fits organs and gaze."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sightline.comparing import Comparison, Condition
from sightline.errors import DataError
from sightline.metrics.intervals import Interval
from sightline.reporting.content import Cell, Score, Table
from sightline.runs import RunFolder

METRICS = {
    "macro_f1": "macro-F1",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "auroc": "AUROC",
    "relevance_inside": "Relevance inside",
}
_PER_CLASS = {
    "precision": "Precision",
    "recall": "Recall",
    "specificity": "Specificity",
    "f1": "F1",
    "auroc": "AUROC",
}
_SALIENCY = {
    "kl": "KL",
    "kl_reversed": "KL, reversed",
    "cc": "CC",
    "hs": "HS",
    "value_histogram": "Histograms of values",
}
_ORGAN_IOU = {"organ_iou": "HiResCAM", "organ_iou-grad-cam": "Grad-CAM"}
_ORGAN_COLUMNS = ("Recipe", "Tested on", "Findings", "OrganIoU", "Scans and findings")


def score(interval: Interval) -> Score:
    """An interval as a report takes it."""
    return Score(interval.value, interval.low, interval.high)


def condition_words(condition: Condition) -> str:
    """Name of a condition in tables."""
    return f"{condition.split}, bias {condition.bias}"


def detail_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Scores of each class."""
    rows = tuple(
        (name, condition_words(condition), *cells)
        for name, results in comparison.evaluations.items()
        for condition, result in results.items()
        for cells in class_rows(result.per_class)
    )
    return (Table("Scores of each class", ("Recipe", "Tested on", *class_columns()), rows, folded=True),)


def class_rows(per_class: Mapping[str, Mapping[str, Interval]]) -> Iterator[tuple[Cell, ...]]:
    """A line a class: its scores, and how many images have it."""
    for of, scores in per_class.items():
        known: list[Cell] = [score(scores[name]) if name in scores else None for name in _PER_CLASS]
        yield (of, *known, scores["recall"].n if "recall" in scores else None)


def class_columns() -> tuple[str, ...]:
    """Columns of `class_rows`."""
    return ("Class", *_PER_CLASS.values(), "Images of it")


def attention_tables(runs: Mapping[str, tuple[Any, RunFolder]], comparison: Comparison) -> tuple[Table, ...]:
    """OrganIoU of volumes and measures of drawn maps against gaze, of the runs and conditions that have them.

    Raises:
        DataError: a file is damaged.
    """
    folders = [
        (name, condition_words(condition), run.evaluation(condition.split, condition.bias))
        for name, (_, run) in runs.items()
        for condition in comparison.conditions
    ]
    tables = []
    for stem, method in _ORGAN_IOU.items():
        told = [
            (name, words, known["scores"]) for name, words, path in folders for known in _read(path / f"{stem}.json")
        ]
        if told:
            lead = (
                f"How much of the attention to a finding, by {method}, is in the organs that it may be looked for in. "
                "Thresholds are those that were best on the validation split."
            )
            tables.append(Table(f"OrganIoU, {method}", _ORGAN_COLUMNS, _organ_rows(told, "per_group"), lead=lead))
            title = f"OrganIoU of each finding, {method}"
            tables.append(Table(title, _ORGAN_COLUMNS, _organ_rows(told, "per_label"), folded=True))
    drawn = tuple(
        (name, words, *(_score(told["metrics"].get(measure)) for measure in _SALIENCY), told["cases"])
        for name, words, folder in folders
        for told in _read(folder / "saliency.json")
    )
    if drawn:
        columns = ("Recipe", "Tested on", *_SALIENCY.values(), "Images")
        lead = (
            "The maps that the model draws, against where readers looked. Divergences (KL) are 0 at best; correlation "
            "(CC) and histogram similarities (HS) are 1 at best."
        )
        tables.append(Table("Drawn maps and gaze", columns, drawn, lead=lead))
    return tuple(tables)


def _organ_rows(told: Iterable[tuple[str, str, Mapping[str, Any]]], of: str) -> tuple[tuple[Cell, ...], ...]:
    """A line a run, condition and group, beneath that of all findings; or a line a finding."""
    rows: list[tuple[Cell, ...]] = []
    for name, words, scores in told:
        groups = {**({"all": scores["overall"]} if of == "per_group" else {}), **scores[of]}
        rows += [(name, words, group, _score(found), found.get("n")) for group, found in groups.items()]
    return tuple(rows)


def _read(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON of a file, once, if there is one."""
    if path.is_file():
        try:
            yield json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path} is damaged ({error}); evaluate again") from error


def _score(told: Mapping[str, Any] | None) -> Score | None:
    if told is None or told.get("value") is None:
        return None
    ends = [float("nan") if told.get(end) is None else float(told[end]) for end in ("low", "high")]
    return Score(float(told["value"]), *ends)
