"""Evaluate a classifier: what it answers, how sure the scores are, and how much of it rests on the allowed region."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field, is_dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sightline.attribution.explainer import evaluation_mode
from sightline.data.cohort import Task
from sightline.errors import DataError, SettingsError, ShapeError
from sightline.evaluation.explaining import Explain, Measured, Spread, explain_batch, rows_of
from sightline.evaluation.predictions import Predictions, decide, probabilities_of
from sightline.evaluation.record import Evaluation
from sightline.evaluation.scores import measure
from sightline.metrics.resampling import Resampling
from sightline.types import Batch


@dataclass(frozen=True)
class EvaluationSettings:
    """How a model is evaluated.

    Attributes:
        explain: most cases to explain, the same number of each class in the order they come; None explains all.
        keep: cases whose maps are kept for the report: a number, the same of each class in the order they come, or
            names. None of it depends on what the model answers.
        threshold: least probability to answer yes, for `binary` and `multilabel`.
        resampling: how the intervals are drawn.
    """

    explain: int | None = None
    keep: int | tuple[str, ...] = 12
    threshold: float = 0.5
    resampling: Resampling = field(default_factory=Resampling)

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise SettingsError(f"threshold must be a probability, 0 to 1, got {self.threshold}")
        if (self.explain or 0) < 0 or (isinstance(self.keep, int) and self.keep < 0):
            raise SettingsError(f"explain and keep must be at least 0, got {self.explain} and {self.keep}")


def evaluate(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    task: Task,
    classes: Sequence[str],
    patients: Mapping[str, str] | None = None,
    explainer: Explain | None = None,
    target: Any = None,  # noqa: ANN401 - a Target of sightline.attribution, or what the explainer takes
    settings: EvaluationSettings | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Evaluation:
    """Classify and explain every case in evaluation mode, and score the answers.

    The model comes back as it was, each module in its own mode. Nothing needs gradients to be on, but `inference_mode`
    must be off while explaining.

    Args:
        model: any module from images to logits.
        batches: the cases, each once; moved to the device of the model.
        task: `multiclass`, `binary` or `multilabel`.
        classes: names of the K classes.
        patients: who is on each image, by case; None takes every case for a patient of its own.
        explainer: draws the explanations; None draws none.
        target: what to explain, handed to the explainer; a plain function is asked with each batch, as
            `lambda batch: Label(batch.labels)`.
        settings: how much to explain and keep, threshold, resampling.
        progress: called after each batch with how many are done, and how many there are if `batches` has a length.

    Returns:
        Predictions, scores with intervals, and the maps kept.

    Raises:
        ShapeError: logits, labels or maps have another shape than the task asks for.
        DataError: there is no case, a case comes twice, has no patient, a label is outside the classes, or an answer is
            not finite.
    """
    chosen = settings or EvaluationSettings()
    choice = _Choice(chosen, len(classes) + (task == "multilabel"))  # one more: no label at all
    total = len(batches) if isinstance(batches, Sized) else None
    parts: list[_Part] = []
    with evaluation_mode(model):
        for done, batch in enumerate(batches, start=1):
            labels = _labels(batch, task, len(classes))
            moved = _to(batch, _device(model, batch.images.device))
            rows, keep = choice.of(labels, batch.cases) if explainer is not None else choice.nothing(len(labels))
            measured = None
            if explainer is not None and rows.any():
                measured = explain_batch(explainer, target, model, rows_of(moved, rows), keep=keep[rows])
            if measured is None or not rows.all():
                with torch.no_grad():
                    logits = model(moved.images)
            else:
                logits = measured.logits  # of the same forward pass
            parts.append(_Part(batch.cases, labels, _checked(logits, batch.cases), rows, measured))
            if progress is not None:
                progress(done, total)
    predictions = _assemble(parts, task, tuple(classes), patients, chosen.threshold)
    maps = {case: kept for part in parts if part.measured for case, kept in part.measured.maps.items()}
    scores = measure(predictions, resampling=chosen.resampling)
    return Evaluation(predictions, scores, _words(explainer, target), maps)


@dataclass(frozen=True, eq=False)
class _Part:
    """What is known of one batch; `rows` are those that `measured` speaks of."""

    cases: tuple[str, ...]
    labels: NDArray[Any]
    logits: Tensor
    rows: NDArray[np.bool_]
    measured: Measured | None

    def column(self, name: str, missing: float) -> NDArray[Any]:
        """Spread a column of `measured` over all rows."""
        if self.measured is None:
            return np.full(len(self.cases), missing)
        values: NDArray[Any] = getattr(self.measured, name)
        whole = np.full(len(self.cases), missing, dtype=values.dtype)
        whole[self.rows] = values
        return whole


class _Choice:
    """Whom to explain and whose map to keep."""

    def __init__(self, settings: EvaluationSettings, strata: int) -> None:
        self._names = frozenset() if isinstance(settings.keep, int) else frozenset(settings.keep)
        self._explain = Spread(settings.explain, strata)
        self._keep = Spread(settings.keep if isinstance(settings.keep, int) else 0, strata)

    def of(self, labels: NDArray[Any], cases: tuple[str, ...]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Rows to explain and, among them, rows to keep, `(N,)` each."""
        strata = labels
        if labels.ndim == 2:
            positive = labels == 1
            strata = np.where(positive.any(1), positive.argmax(1), labels.shape[1])
        named = np.array([case in self._names for case in cases], dtype=bool)
        rows = self._explain.take(strata) | named
        keep = named.copy()
        keep[rows] |= self._keep.take(strata[rows])
        return rows, keep

    @staticmethod
    def nothing(n: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """No row."""
        return np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)


def _device(model: nn.Module, otherwise: torch.device) -> torch.device:
    tensor = next(chain(model.parameters(), model.buffers()), None)
    return otherwise if tensor is None else tensor.device


def _to(batch: Batch, device: torch.device) -> Batch:
    return Batch(batch.images.to(device), batch.labels.to(device), batch.regions.to(device), batch.cases)


def _labels(batch: Batch, task: Task, num_classes: int) -> NDArray[Any]:
    labels: NDArray[Any] = batch.labels.cpu().numpy()
    expected = (len(batch.cases), num_classes) if task == "multilabel" else (len(batch.cases),)
    if labels.shape != expected:
        raise ShapeError(f"labels of a {task} task must be {expected}, got {labels.shape}")
    if task == "multilabel":
        return labels.astype(np.float64)
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if wrong.size:
        raise DataError(f"case {batch.cases[wrong[0]]}: label must be 0 to {num_classes - 1}, got {labels[wrong[0]]}")
    return labels.astype(np.int64)


def _checked(logits: Tensor, cases: tuple[str, ...]) -> Tensor:
    finite = logits.flatten(1).isfinite().all(1).tolist()
    if not all(finite):
        raise DataError(f"the model's answer to case {cases[finite.index(False)]} is not finite; train it anew")
    return logits.detach().cpu()


def _assemble(
    parts: list[_Part], task: Task, classes: tuple[str, ...], patients: Mapping[str, str] | None, threshold: float
) -> Predictions:
    cases = tuple(case for part in parts for case in part.cases)
    if not cases:
        raise DataError("there is no case to evaluate; the split is empty")
    seen: set[str] = set()
    for case in cases:
        if case in seen:
            raise DataError(f"case {case} comes twice; each case may be evaluated once")
        if patients is not None and case not in patients:
            raise DataError(f"case {case} has no patient; give one for every case, or none at all")
        seen.add(case)
    probabilities = np.concatenate([probabilities_of(part.logits, task, len(classes)) for part in parts])
    return Predictions(
        task,
        classes,
        cases,
        cases if patients is None else tuple(patients[case] for case in cases),
        np.concatenate([part.labels for part in parts]),
        probabilities,
        decide(probabilities, task, threshold=threshold),
        np.concatenate([part.column("explained", -1) for part in parts]).astype(np.int64),
        np.concatenate([part.column("relevance_inside", np.nan) for part in parts]),
        np.concatenate([part.column("region_area", np.nan) for part in parts]),
    )


def _words(explainer: Explain | None, target: object) -> str:
    """Name an explainer and its target with their options, the same in every run."""
    if explainer is None:
        return ""
    names = [repr(part) if is_dataclass(part) else getattr(part, "__name__", "") for part in (explainer, target)]
    return re.sub(r" at 0x[0-9a-f]+", "", ", ".join(name for name in names if name))
