"""OrganIoU of a model: where it looks for the findings of a scan, and how much of that is in the right organ.

Thresholds are chosen on one split and used on another. The numbers stand in `organ_iou.csv`, a line a scan and finding,
and in `organ_iou.json`; those of Grad-CAM in `organ_iou-grad-cam.csv` and `.json`.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sightline.attribution.explainer import evaluation_mode
from sightline.errors import DataError, DataNotFoundError, ShapeError
from sightline.evaluation.attention_maps import Attention, attention_maps, attention_on_grid
from sightline.metrics.averages import Array
from sightline.metrics.organ_iou import (
    ORGAN_IOU_THRESHOLDS,
    OrganIoUScores,
    choose_thresholds,
    organ_iou,
    organ_iou_scores,
)
from sightline.metrics.resampling import Resampling
from sightline.regions import known
from sightline.runs import write_json, write_text
from sightline.types import Batch


@dataclass(frozen=True, eq=False)
class OrganIoU:
    """OrganIoU of a model, pair by pair; a pair is a scan and a finding that it has and whose organ is known.

    Attributes:
        attention: the map that was measured.
        zero_if_either_is_zero: whether limiting cases are those of the paper's code; see `sightline.metrics.organ_iou`.
        classes: names of the K labels.
        groups: names of the labels in each group, by name of the group.
        thresholds: of each label, `(K,)`; NaN where no validation pair has a number.
        validated: validation pairs of each label, `(K,)` int.
        cases: scan of each pair, N names.
        patients: patient of each pair, N names.
        labels: index of the label of each pair, `(N,)` int.
        values: OrganIoU of each pair, `(N,)`; NaN where nothing is above the threshold, or there is none.
    """

    attention: Attention
    zero_if_either_is_zero: bool
    classes: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    thresholds: Array
    validated: NDArray[np.int64]
    cases: tuple[str, ...]
    patients: tuple[str, ...]
    labels: NDArray[np.int64]
    values: Array

    def scores(self, *, resampling: Resampling | None = None) -> OrganIoUScores:
        """Average over all pairs, each label and each group, with intervals by drawing patients."""
        return organ_iou_scores(
            self.values, self.labels, self.patients, self.classes, groups=self.groups, resampling=resampling
        )

    def as_dict(self, *, resampling: Resampling | None = None) -> dict[str, Any]:
        """Everything but the single pairs, as `organ_iou.json` holds it."""
        return {
            "attention": self.attention,
            "zero_if_either_is_zero": self.zero_if_either_is_zero,
            "classes": list(self.classes),
            "groups": {name: list(labels) for name, labels in self.groups.items()},
            "pairs": len(self.values),
            "scans": len(set(self.cases)),
            "thresholds": dict(zip(self.classes, self.thresholds.tolist(), strict=True)),
            "validation_pairs": dict(zip(self.classes, self.validated.tolist(), strict=True)),
            "scores": self.scores(resampling=resampling).as_dict(),
        }

    def write(self, folder: Path, *, resampling: Resampling | None = None) -> None:
        """Write the two files, each atomically."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["case", "patient", "class", "threshold", "organ_iou"])
        for case, patient, label, value in zip(self.cases, self.patients, self.labels, self.values, strict=True):
            numbers = [float(self.thresholds[label]), float(value)]
            writer.writerow([case, patient, self.classes[label], *("" if v != v else repr(v) for v in numbers)])
        stem = _stem(self.attention)
        write_text(folder / f"{stem}.csv", text.getvalue())
        write_json(folder / f"{stem}.json", self.as_dict(resampling=resampling))


def organ_iou_of_run(
    model: nn.Module,
    validation: Iterable[Batch],
    test: Iterable[Batch],
    classes: Sequence[str],
    *,
    attention: Attention = "hirescam",
    layer: str | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    patients: Mapping[str, str] | None = None,
    zero_if_either_is_zero: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
) -> OrganIoU:
    """Choose the threshold of each label on one split, and measure OrganIoU on another.

    A map is rectified, brought to the grid of the region, and only then stretched to [0, 1], so that its highest place
    is above every threshold; the code of the paper stretches it first. The model comes back as it was.

    Args:
        model: any module from images to logits; see `attention_maps`.
        validation: scans to choose thresholds by, labels `(N, K)` and regions `(N, 1 or K, *G)`; moved to the device of
            the model.
        test: scans to measure, each once.
        classes: names of the K labels.
        attention: the map to measure.
        layer: where it is drawn, as in `GradCAM`; None takes the last features.
        groups: names of the labels in each group, by name of the group.
        patients: who is on each scan, by case; None takes every scan for a patient of its own.
        zero_if_either_is_zero: score limiting cases as the code of the paper does.
        progress: called after each batch with how many of both splits are done, and how many there are if known.

    Raises:
        ShapeError: labels or regions do not fit.
        DataError: a split has no pair, a map is not finite, or a scan has no patient.
    """
    splits = {"validation": validation, "test": test}
    lengths = [len(split) for split in splits.values() if isinstance(split, Sized)]
    total = sum(lengths) if len(lengths) == len(splits) else None
    parts: dict[str, list[_Pairs]] = {name: [] for name in splits}
    with evaluation_mode(model):
        steps = ((name, batch) for name, split in splits.items() for batch in split)
        for done, (name, batch) in enumerate(steps, start=1):
            parts[name].append(_measure(model, batch, len(classes), attention, layer, zero_if_either_is_zero))
            if progress is not None:
                progress(done, total)
    validated, tested = (_joined(parts[name], name) for name in splits)
    chosen = choose_thresholds(validated.values, validated.labels, len(classes))
    cases, labels, values = tested.cases, tested.labels, tested.values
    if patients is not None and (without := [case for case in cases if case not in patients]):
        raise DataError(f"case {without[0]} has no patient; give one for every case, or none at all")
    own = chosen[labels]
    return OrganIoU(
        attention,
        zero_if_either_is_zero,
        tuple(classes),
        {name: tuple(names) for name, names in (groups or {}).items()},
        np.where(chosen < 0, np.nan, np.asarray(ORGAN_IOU_THRESHOLDS)[chosen]),
        np.bincount(validated.labels, minlength=len(classes)),
        cases,
        cases if patients is None else tuple(patients[case] for case in cases),
        labels,
        np.where(own < 0, np.nan, values[np.arange(len(values)), own]),
    )


def read_organ_iou(folder: Path, attention: Attention = "hirescam") -> OrganIoU:
    """Read what `OrganIoU.write` wrote.

    Raises:
        DataNotFoundError: there are no such files.
        DataError: they are damaged.
    """
    files = [folder / f"{_stem(attention)}{suffix}" for suffix in (".json", ".csv")]
    if missing := [file.name for file in files if not file.is_file()]:
        raise DataNotFoundError(f"{folder} holds no {missing[0]}; evaluate a model on a cohort with organs first")
    try:
        told = json.loads(files[0].read_text(encoding="utf-8"))
        with files[1].open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        classes = tuple(told["classes"])
        thresholds = [told["thresholds"][name] for name in classes]
        return OrganIoU(
            told["attention"],
            told["zero_if_either_is_zero"],
            classes,
            {name: tuple(labels) for name, labels in told["groups"].items()},
            np.array([np.nan if value is None else value for value in thresholds], np.float64),
            np.array([told["validation_pairs"][name] for name in classes], np.int64),
            tuple(row["case"] for row in rows),
            tuple(row["patient"] for row in rows),
            np.array([classes.index(row["class"]) for row in rows], np.int64),
            np.array([float(row["organ_iou"] or "nan") for row in rows]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{files[0]} and {files[1].name} are damaged ({error}); evaluate again") from error


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairs of some scans, and their values at all thresholds, `(P, T)`."""

    cases: tuple[str, ...]
    labels: NDArray[np.int64]
    values: Array


def _measure(
    model: nn.Module, batch: Batch, num_classes: int, attention: Attention, layer: str | None, as_code: bool
) -> _Pairs:
    """Draw the maps of the labels that are present, and compare them with their regions at all thresholds."""
    regions = batch.regions.cpu()
    n = len(batch.cases)
    if batch.labels.shape != (n, num_classes):
        raise ShapeError(f"labels must be ({n}, {num_classes}), one a class, got {tuple(batch.labels.shape)}")
    if regions.ndim < 3 or len(regions) != n or regions.shape[1] not in (1, num_classes):
        raise ShapeError(f"regions must be ({n}, 1 or {num_classes}, *G), got {tuple(regions.shape)}")
    present = (batch.labels.cpu() == 1) & known(regions)  # (N, K)
    drawn = present.any(0).nonzero()[:, 0]  # (M,)
    rows, columns = present[:, drawn].nonzero().T
    if not len(drawn):
        return _Pairs((), np.empty(0, np.int64), np.empty((0, len(ORGAN_IOU_THRESHOLDS))))
    tensor = next(chain(model.parameters(), model.buffers()), None)
    images = batch.images if tensor is None else batch.images.to(tensor.device)
    maps = attention_maps(model, images, drawn.tolist(), attention, layer=layer).float().cpu()[rows, columns]
    cases, labels = tuple(batch.cases[row] for row in rows.tolist()), drawn[columns]
    finite = maps.flatten(1).isfinite().all(1).tolist()
    if not all(finite):
        raise DataError(f"the map of case {cases[finite.index(False)]} is not finite; look at the scan and the model")
    allowed = regions.expand(-1, num_classes, *regions.shape[2:])[rows, labels]  # (P, *G)
    values = organ_iou(attention_on_grid(maps, allowed.shape[1:]), allowed.numpy(), zero_if_either_is_zero=as_code)
    return _Pairs(cases, labels.numpy(), values)


def _joined(parts: Sequence[_Pairs], split: str) -> _Pairs:
    cases = tuple(case for part in parts for case in part.cases)
    if not cases:
        raise DataError(
            f"no scan of the {split} split has a finding with a known organ, so there is no attention to compare; "
            "give the columns mask:<class>"
        )
    labels, values = (np.concatenate([getattr(part, name) for part in parts]) for name in ("labels", "values"))
    return _Pairs(cases, labels, values)


def _stem(attention: Attention) -> str:
    return "organ_iou" if attention == "hirescam" else f"organ_iou-{attention}"
