"""Several runs under one protocol, side by side: every score, the bias gaps, and the differences between runs."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sightline.comparing.conditions import Condition
from sightline.errors import DataError
from sightline.evaluation import Evaluation, paired_change
from sightline.metrics.intervals import Interval
from sightline.runs import write_json, write_text
from sightline.training import StepCost

_COLUMNS = ("recipe", "split", "bias", "metric", "value", "low", "high", "n", "n_patients", "method")


@dataclass(frozen=True, eq=False)
class Comparison:
    """What came out of testing several runs.

    Attributes:
        evaluations: by name of the run, then by condition; the same conditions in the same order for every run.
        costs: of a training step and in weights, by name of the run, where it was measured.
    """

    evaluations: Mapping[str, Mapping[Condition, Evaluation]]
    costs: Mapping[str, StepCost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        different = {tuple(results) for results in self.evaluations.values()}
        if len(different) > 1:
            told = "; ".join(f"{name}: {', '.join(map(str, res))}" for name, res in self.evaluations.items())
            raise DataError(f"runs can be compared under the same conditions only, got {told}")

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What every run was tested on."""
        return tuple(next(iter(self.evaluations.values()), {}))

    def changes(self) -> dict[str, dict[Condition, dict[str, Interval]]]:
        """How far every score of a run moves when the bias is off or swapped, paired by patient; falls are negative."""
        return {
            name: {
                condition: paired_change(results[Condition(condition.split)], result)
                for condition, result in results.items()
                if condition.bias != "on" and Condition(condition.split) in results
            }
            for name, results in self.evaluations.items()
        }

    def differences(self) -> dict[str, dict[Condition, dict[str, Interval]]]:
        """How far every other run is above the first, paired by patient, under each condition."""
        names = list(self.evaluations)
        return {
            name: {
                condition: paired_change(self.evaluations[names[0]][condition], result)
                for condition, result in self.evaluations[name].items()
            }
            for name in names[1:]
        }

    def as_dict(self) -> dict[str, Any]:
        """Everything but the cases, as `comparison.json` holds it."""
        return {
            "conditions": [str(condition) for condition in self.conditions],
            "recipes": {
                name: {str(condition): result.as_dict() for condition, result in results.items()}
                for name, results in self.evaluations.items()
            },
            "costs": {name: cost.as_dict() for name, cost in self.costs.items()},
            "change_without_bias": _plain(self.changes()),
            "difference_to_first": _plain(self.differences()),
        }

    def as_csv(self) -> str:
        """One line a run, condition and metric."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for name, results in self.evaluations.items():
            for condition, result in results.items():
                for metric, score in result.metrics.items():
                    known = [score.value, score.low, score.high, score.n, score.n_patients, score.method]
                    cells = ["" if value is None or value != value else value for value in known]
                    writer.writerow([name, condition.split, condition.bias, metric, *cells])
        for name, cost in self.costs.items():
            timed = [cost.ratio, cost.least, cost.greatest, "", "", "median of pairs of steps, least and greatest"]
            writer.writerow([name, "", "", "step_cost", *timed])
            writer.writerow([name, "", "", "parameters", cost.parameters, "", "", "", "", "count"])
        return text.getvalue()

    def write(self, folder: Path) -> None:
        """Write `comparison.csv` and `comparison.json`, each atomically."""
        write_text(folder / "comparison.csv", self.as_csv())
        write_json(folder / "comparison.json", self.as_dict())


def _plain(nested: Mapping[str, Mapping[Condition, Mapping[str, Interval]]]) -> dict[str, Any]:
    return {
        name: {
            str(condition): {metric: interval.as_dict() for metric, interval in scores.items()}
            for condition, scores in results.items()
        }
        for name, results in nested.items()
    }
