"""What a model answered, case by case, and the table `predictions.csv` that it is kept in."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sightline.data.cohort import Task
from sightline.errors import DataError, DataNotFoundError, ShapeError
from sightline.runs import write_text

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Truth and answer for N cases in K classes, a column an attribute.

    Attributes:
        task: `multiclass`, `binary` or `multilabel`.
        classes: names of the classes.
        cases: name of each image in its cohort, no name twice.
        patients: who is on each image.
        labels: true class, `(N,)` int; for `multilabel` 1, 0, something between, or NaN where unknown, `(N, K)`. Only
            0 and 1 are scored.
        probabilities: softmax (`multilabel`: sigmoid) of the logits, `(N, K)`.
        predicted: class decided on, `(N,)` int; for `multilabel` 1 where decided on, else 0, `(N, K)` int.
        explained: class whose explanation was measured, -1 where none or no single one was, `(N,)` int.
        relevance_inside: share of the absolute relevance inside the region, NaN where not measured, `(N,)`.
        region_area: share of the image that the region covers, which is what an even map would score, NaN where not
            measured, `(N,)`.
    """

    task: Task
    classes: tuple[str, ...]
    cases: tuple[str, ...]
    patients: tuple[str, ...]
    labels: NDArray[Any]
    probabilities: Array
    predicted: NDArray[np.int64]
    explained: NDArray[np.int64]
    relevance_inside: Array
    region_area: Array

    def __len__(self) -> int:
        return len(self.cases)

    def take(self, rows: Sequence[int]) -> "Predictions":
        """Return the cases of these rows, in this order."""
        index = np.asarray(rows, dtype=np.int64)
        return Predictions(
            self.task,
            self.classes,
            tuple(self.cases[row] for row in index),
            tuple(self.patients[row] for row in index),
            self.labels[index],
            self.probabilities[index],
            self.predicted[index],
            self.explained[index],
            self.relevance_inside[index],
            self.region_area[index],
        )


def probabilities_of(logits: Tensor, task: Task, num_classes: int) -> Array:
    """Turn logits into probabilities, in float64.

    Args:
        logits: `(N, K)`; for `binary` also `(N, 1)`, the logit of the second class.
        task: softmax over the classes, or for `multilabel` a sigmoid each.
        num_classes: K.

    Returns:
        `(N, K)`.

    Raises:
        ShapeError: the model has another number of outputs.
    """
    if task == "binary" and logits.ndim == 2 and logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], dim=1)  # its softmax is the sigmoid
    if logits.ndim != 2 or logits.shape[1] != num_classes:
        raise ShapeError(
            f"the model must answer with (N, {num_classes}) logits, one for each class of the cohort, "
            f"got {tuple(logits.shape)}"
        )
    values = logits.detach().cpu().double()
    result: Array = (values.sigmoid() if task == "multilabel" else values.softmax(dim=1)).numpy()
    return result


def decide(probabilities: Array, task: Task, *, threshold: float = 0.5) -> NDArray[np.int64]:
    """Decide on a class: the likeliest one, or where the task is yes or no, yes from the threshold on.

    Args:
        probabilities: `(N, K)`.
        task: what is decided.
        threshold: least probability of the second class of `binary` and of each label of `multilabel`.

    Returns:
        `(N,)` class; for `multilabel` `(N, K)` 0 or 1.
    """
    if task == "multiclass":
        answer = probabilities.argmax(axis=1)
    else:
        answer = (probabilities if task == "multilabel" else probabilities[:, 1]) >= threshold
    return np.asarray(answer, np.int64)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write one row a case, classes by name, numbers in full, empty where unknown; atomically."""
    classes = predictions.classes
    several = predictions.task == "multilabel"
    truth = [f"label:{name}" for name in classes] if several else ["label"]
    decision = [f"predicted:{name}" for name in classes] if several else ["predicted"]
    header = ["case", "patient", *truth, *decision, *(f"probability:{name}" for name in classes), *_MEASURED]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row, case in enumerate(predictions.cases):
        label, answer = predictions.labels[row], predictions.predicted[row]
        explained = int(predictions.explained[row])
        writer.writerow(
            [
                case,
                predictions.patients[row],
                *(map(_number, label) if several else [classes[label]]),
                *(map(int, answer) if several else [classes[answer]]),
                *map(_number, predictions.probabilities[row]),
                "" if explained < 0 else classes[explained],
                _number(predictions.relevance_inside[row]),
                _number(predictions.region_area[row]),
            ]
        )
    write_text(path, text.getvalue())


def read_predictions(path: Path, *, task: Task, classes: tuple[str, ...]) -> Predictions:
    """Read what `write_predictions` wrote.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: a column is missing or holds something else.
    """
    if not path.is_file():
        raise DataNotFoundError(f"{path} is not there; evaluate the run first")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a table of predictions: {error}; evaluate again") from None
    number = {name: index for index, name in enumerate(classes)} | {"": -1}
    several = task == "multilabel"

    def column(name: str) -> list[str]:
        return [row[name] for row in rows]

    def table(prefix: str) -> Array:
        return np.array([_numbers(column(f"{prefix}:{name}")) for name in classes], np.float64).reshape(-1, len(rows)).T

    def indices(name: str) -> NDArray[np.int64]:
        return np.array([number[text] for text in column(name)], np.int64)

    try:
        return Predictions(
            task,
            classes,
            tuple(column("case")),
            tuple(column("patient")),
            table("label") if several else indices("label"),
            table("probability"),
            table("predicted").astype(np.int64) if several else indices("predicted"),
            indices(_MEASURED[0]),
            np.array(_numbers(column(_MEASURED[1]))),
            np.array(_numbers(column(_MEASURED[2]))),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path} is not a table of predictions for {', '.join(classes)}: {error}") from error


_MEASURED = ("explained", "relevance_inside", "region_area")


def _number(value: ArrayLike) -> str:
    number = float(np.asarray(value))
    return "" if number != number else repr(number)


def _numbers(texts: list[str]) -> list[float]:
    return [float(text) if text else float("nan") for text in texts]


def pair(first: Predictions, second: Predictions) -> tuple[Predictions, Predictions]:
    """Line up the cases that both hold, in the order of the first.

    Raises:
        DataError: they speak of other classes, share no case, or disagree on the patient or label of one.
    """
    if (first.task, first.classes) != (second.task, second.classes):
        raise DataError(
            f"only evaluations of one task can be paired, got {first.task} of {', '.join(first.classes)} "
            f"and {second.task} of {', '.join(second.classes)}"
        )
    place: Mapping[str, int] = {case: row for row, case in enumerate(second.cases)}
    rows = [row for row, case in enumerate(first.cases) if case in place]
    if not rows:
        raise DataError("the two evaluations share no case; evaluate the same split both times")
    one, other = first.take(rows), second.take([place[first.cases[row]] for row in rows])
    for row, case in enumerate(one.cases):
        same = np.array_equal(one.labels[row], other.labels[row], equal_nan=one.task == "multilabel")
        if one.patients[row] != other.patients[row] or not same:
            raise DataError(
                f"case {case} has another patient or label in the second evaluation; the cohort has changed"
            )
    return one, other
