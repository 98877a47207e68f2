"""The result of an evaluation and its files: `predictions.csv`, `metrics.json`, and `maps.npz` where maps were kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sightline.errors import DataError, DataNotFoundError
from sightline.evaluation.maps import CaseMap, read_maps, write_maps
from sightline.evaluation.predictions import Predictions, read_predictions, write_predictions
from sightline.evaluation.scores import Scores
from sightline.metrics.intervals import Interval
from sightline.runs import write_json
from sightline.showing import interval_words, table_html, told_html


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What came out of evaluating a model on some cases.

    Attributes:
        predictions: truth and answers, case by case.
        scores: every score with its interval.
        explained_by: the explainer and its options, as text; empty if nothing was explained.
        maps: maps that were kept, by case.
    """

    predictions: Predictions
    scores: Scores
    explained_by: str = ""
    maps: Mapping[str, CaseMap] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, Interval]:
        """Scores over all classes, by name; see `Scores.metrics`."""
        return self.scores.metrics

    @property
    def per_class(self) -> dict[str, dict[str, Interval]]:
        """Scores of each class, by class and name."""
        return self.scores.per_class

    def as_dict(self) -> dict[str, Any]:
        """Everything but the cases, as `metrics.json` holds it."""
        known = self.predictions
        return {
            "task": known.task,
            "classes": list(known.classes),
            "cases": len(known),
            "patients": len(set(known.patients)),
            "explained": int((~np.isnan(known.relevance_inside)).sum()),
            "explained_by": self.explained_by,
            "metrics": {name: interval.as_dict() for name, interval in self.metrics.items()},
            "per_class": {
                name: {score: interval.as_dict() for score, interval in scores.items()}
                for name, scores in self.per_class.items()
            },
            "confusion": self.scores.confusion.astype(int).tolist(),
        }

    def _repr_html_(self) -> str:
        """Show the scores in a notebook: of all classes, then of each."""
        known, scores = self.predictions, {"all": self.metrics, **self.per_class}
        tables = []
        for first, rows in (("", {"all": self.metrics}), ("class", self.per_class)):
            names = list(dict.fromkeys(name for found in rows.values() for name in found))
            cells = [[of, *(_words(scores[of].get(name)) for name in names)] for of in rows]
            tables.append(table_html([first, *(name.replace("_", " ") for name in names)], cells))
        levels = {f"{100 * found.level:g} %" for found in self.metrics.values()}
        told = f"{len(known)} cases of {len(set(known.patients))} patients; intervals of {', '.join(sorted(levels))}"
        return told_html([told, self.explained_by]) + "".join(tables)

    def write(self, folder: Path, *, maps: Path | None = None) -> None:
        """Write the files, each atomically; `metrics.json` comes last, so that where it is, all is.

        Args:
            folder: where `predictions.csv` and `metrics.json` go; earlier ones are replaced.
            maps: where `maps.npz` goes, if maps were kept; None for `folder`.
        """
        (folder / "metrics.json").unlink(missing_ok=True)
        place = folder if maps is None else maps
        if self.maps:
            write_maps(place, self.maps)
        else:
            (place / "maps.npz").unlink(missing_ok=True)  # of an earlier evaluation
        write_predictions(folder / "predictions.csv", self.predictions)
        write_json(folder / "metrics.json", self.as_dict())


def _words(score: Interval | None) -> str:
    return "" if score is None else interval_words(score.value, score.low, score.high)


def read_evaluation(folder: Path, *, maps: Path | None = None) -> Evaluation:
    """Read what `Evaluation.write` wrote.

    Args:
        folder: holds `predictions.csv` and `metrics.json`.
        maps: holds `maps.npz`, if there is one; None for `folder`.

    Raises:
        DataNotFoundError: there is no evaluation in the folder.
        DataError: a file is damaged.
    """
    path = folder / "metrics.json"
    if not path.is_file():
        raise DataNotFoundError(f"{folder} holds no evaluation (no metrics.json); run `sightline evaluate` first")
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        scores = Scores(
            {name: Interval.from_dict(fields) for name, fields in written["metrics"].items()},
            {
                of: {name: Interval.from_dict(fields) for name, fields in group.items()}
                for of, group in written["per_class"].items()
            },
            np.array(written["confusion"], np.float64),
        )
        task, classes, explained_by = written["task"], tuple(written["classes"]), written["explained_by"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged ({error}); evaluate again") from error
    predictions = read_predictions(folder / "predictions.csv", task=task, classes=classes)
    place = folder if maps is None else maps
    kept = read_maps(place) if (place / "maps.npz").is_file() else {}
    return Evaluation(predictions, scores, explained_by, kept)
