"""How well a model draws where readers look: measures case by case, and their means with intervals.

The maps of `model.answer(images)` are read as densities, by a softmax over their pixels.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sightline.attribution.explainer import evaluation_mode
from sightline.errors import DataError, DataNotFoundError, SettingsError, ShapeError
from sightline.metrics.averages import Array, weighted_mean
from sightline.metrics.intervals import Interval
from sightline.metrics.resampling import Resampling, bootstrap
from sightline.metrics.saliency import (
    histogram_similarity,
    saliency_correlation,
    saliency_divergence,
    saliency_divergence_reversed,
    value_histogram_intersection,
)
from sightline.regions import resize_region
from sightline.runs import write_json, write_text
from sightline.types import Batch

MEASURES: dict[str, Callable[[Array, Array], Array]] = {
    "kl": saliency_divergence,
    "kl_reversed": saliency_divergence_reversed,
    "cc": saliency_correlation,
    "hs": histogram_similarity,
    "value_histogram": value_histogram_intersection,
}


@dataclass(frozen=True, eq=False)
class Saliency:
    """How well the maps of a model fit the gaze, case by case.

    Attributes:
        cases: names, N.
        patients: who is on each image, N.
        values: each of `MEASURES`, `(N,)`; NaN where no gaze is known.
    """

    cases: tuple[str, ...]
    patients: tuple[str, ...]
    values: Mapping[str, Array]

    def take(self, rows: Sequence[int]) -> "Saliency":
        """Return the cases of these rows, in this order."""
        return Saliency(
            tuple(self.cases[row] for row in rows),
            tuple(self.patients[row] for row in rows),
            {name: values[list(rows)] for name, values in self.values.items()},
        )

    def means(self, *, resampling: Resampling | None = None) -> dict[str, Interval]:
        """Give the mean of each measure over the cases that have it, with its interval by drawing patients."""
        found = bootstrap(
            lambda weights: {name: weighted_mean(values, weights=weights) for name, values in self.values.items()},
            self.patients,
            resampling=resampling,
        )
        return {name: self._counted(interval, self.values[name]) for name, interval in found.items()}

    def spreads(self) -> dict[str, float]:
        """Give the standard deviation of each measure over the cases, with N - 1; NaN for fewer than two."""
        known = {name: values[~np.isnan(values)] for name, values in self.values.items()}
        return {name: float(np.std(row, ddof=1)) if len(row) > 1 else np.nan for name, row in known.items()}

    def as_dict(self, *, resampling: Resampling | None = None) -> dict[str, Any]:
        """Means, intervals and standard deviations, as `saliency.json` holds them."""
        spreads = self.spreads()
        means = self.means(resampling=resampling)
        return {
            "cases": len(self.cases),
            "patients": len(set(self.patients)),
            "metrics": {name: interval.as_dict() | {"sd": spreads[name]} for name, interval in means.items()},
        }

    def write(self, folder: Path, *, resampling: Resampling | None = None) -> None:
        """Write `saliency.csv`, a line a case, and `saliency.json`, each atomically."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["case", "patient", *self.values])
        for case, patient, *row in zip(self.cases, self.patients, *self.values.values(), strict=True):
            writer.writerow([case, patient, *("" if value != value else repr(float(value)) for value in row)])
        write_text(folder / "saliency.csv", text.getvalue())
        write_json(folder / "saliency.json", self.as_dict(resampling=resampling))

    def _counted(self, interval: Interval, values: Array) -> Interval:
        """Correct the numbers of cases and patients of an interval to those of which there is a value."""
        counted = ~np.isnan(values)
        patients = {patient for patient, counts in zip(self.patients, counted, strict=True) if counts}
        return replace(interval, n=int(counted.sum()), n_patients=len(patients))


def evaluate_saliency(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    patients: Mapping[str, str] | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Saliency:
    """Draw the map of every case in evaluation mode, and compare it with the gaze.

    The model comes back as it was. Regions of another size than the maps are brought to theirs.

    Args:
        model: with `answer(images)`, whose maps are `(N, 1, *S')`, or `(N, 2, *S')`, outside and inside, of which the
            difference is taken.
        batches: the cases, each once, with gaze as regions `(N, 1, *S)`; moved to the device of the model.
        patients: who is on each image, by case; None takes every case for a patient of its own.
        progress: called after each batch with how many are done, and how many there are if `batches` has a length.

    Raises:
        SettingsError: the model draws no maps.
        ShapeError: maps or regions are of another shape.
        DataError: there is no case, or one has no patient.
    """
    answer = getattr(model, "answer", None)
    if answer is None:
        raise SettingsError(f"the model must draw maps, by answer(images); {type(model).__name__} has none")
    total = len(batches) if isinstance(batches, Sized) else None
    tensor = next(chain(model.parameters(), model.buffers()), None)
    cases: list[str] = []
    values: dict[str, list[Array]] = {name: [] for name in MEASURES}
    with evaluation_mode(model), torch.no_grad():
        for done, batch in enumerate(batches, start=1):
            images = batch.images if tensor is None else batch.images.to(tensor.device)
            predicted, gaze = _pair(answer(images).maps, batch.regions)
            cases += batch.cases
            for name, measure in MEASURES.items():
                values[name].append(measure(predicted, gaze))
            if progress is not None:
                progress(done, total)
    if not cases:
        raise DataError("there is no case to evaluate; the split is empty")
    if patients is not None and (without := [case for case in cases if case not in patients]):
        raise DataError(f"case {without[0]} has no patient; give one for every case, or none at all")
    people = tuple(cases) if patients is None else tuple(patients[case] for case in cases)
    return Saliency(tuple(cases), people, {name: np.concatenate(parts) for name, parts in values.items()})


def read_saliency(folder: Path) -> Saliency:
    """Read what `Saliency.write` wrote.

    Raises:
        DataNotFoundError: there is no `saliency.csv`.
        DataError: it is damaged.
    """
    path = folder / "saliency.csv"
    if not path.is_file():
        raise DataNotFoundError(f"{folder} holds no saliency.csv; evaluate a model that draws, on a cohort with gaze")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        values = {name: np.array([float(row[name] or "nan") for row in rows]) for name in MEASURES}
        return Saliency(tuple(row["case"] for row in rows), tuple(row["patient"] for row in rows), values)
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{path} is not a table of saliency: {error}; evaluate again") from error


def _pair(maps: Tensor, regions: Tensor) -> tuple[Array, Array]:
    """Densities as drawn and as looked at, `(N, 1, *S')` float64 each; NaN where no gaze is known."""
    if maps.ndim < 3 or maps.shape[1] not in (1, 2):
        raise ShapeError(f"maps must be (N, 1, *S) or (N, 2, *S), got {tuple(maps.shape)}")
    if regions.ndim != maps.ndim or len(regions) != len(maps) or regions.shape[1] != 1:
        raise ShapeError(f"regions must be ({len(maps)}, 1, *S), one an image, got {tuple(regions.shape)}")
    logits = maps.detach().cpu().double()
    logits = logits if maps.shape[1] == 1 else logits[:, 1:] - logits[:, :1]
    gaze = regions.cpu().double()
    if gaze.shape[2:] != maps.shape[2:]:
        gaze = resize_region(gaze, maps.shape[2:])
    return logits.flatten(1).softmax(1).reshape(logits.shape).numpy(), gaze.numpy()
