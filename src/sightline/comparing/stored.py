"""What `Comparison.write` left in a folder, read back without computing anything anew."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.comparing.conditions import Condition, hardest_of
from sightline.comparing.pairwise import PairTest
from sightline.errors import DataError, DataNotFoundError
from sightline.evaluation import Evaluation
from sightline.metrics.intervals import Interval
from sightline.training import StepCost

FILE = "comparison.json"
_OF_PAIRS = ("metric", "first", "second", "p_value", "p_holm")


@dataclass(frozen=True)
class StoredComparison:
    """A comparison as its file tells it.

    Attributes:
        conditions: what every run was tested on.
        values: scores by run, condition and name; NaN where undefined.
        scores: by condition, recipe and name: of several seeds the mean, with its interval over patients.
        pairs: every two recipes against each other, under each condition.
        costs: by recipe, where they were measured.
    """

    conditions: tuple[Condition, ...]
    values: Mapping[str, Mapping[Condition, Mapping[str, float]]]
    scores: Mapping[Condition, Mapping[str, Mapping[str, Interval]]]
    pairs: Mapping[Condition, tuple[PairTest, ...]]
    costs: Mapping[str, StepCost]

    @property
    def hardest(self) -> Condition:
        """The condition furthest from training, see `hardest_of`."""
        return hardest_of(self.conditions)

    def fits(self, run: str, evaluations: Mapping[Condition, Evaluation]) -> bool:
        """Whether the evaluations of a run say what the comparison was made of, wherever both know a score."""
        return all(
            _same(value, found.metrics[name].value)
            for condition, found in evaluations.items()
            for name, value in self.values[run].get(condition, {}).items()
            if name in found.metrics
        )


def read_stored(folder: Path) -> StoredComparison:
    """Read the `comparison.json` of a folder.

    Raises:
        DataNotFoundError: there is none.
        DataError: it is damaged, or of another version.
    """
    path = folder / FILE
    if not path.is_file():
        raise DataNotFoundError(f"{folder} holds no comparison (no {FILE}); run `sightline compare` first")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return StoredComparison(
            tuple(map(Condition.parse, told["conditions"])),
            {
                run: {Condition.parse(of): _values(found["metrics"]) for of, found in results.items()}
                for run, results in told["recipes"].items()
            },
            {
                Condition.parse(of): {name: _intervals(scores) for name, scores in recipes.items()}
                for of, recipes in told["scores"].items()
            },
            {Condition.parse(of): tuple(map(_pair, tests)) for of, tests in told["pairs"].items()},
            {name: StepCost(**fields) for name, fields in told["costs"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} cannot be read ({error!r}); compare again") from error


def _pair(fields: Mapping[str, Any]) -> PairTest:
    rest = {name: value for name, value in fields.items() if name not in _OF_PAIRS}
    return PairTest(
        fields["metric"],
        fields["first"],
        fields["second"],
        Interval.from_dict(rest),
        _number(fields["p_value"]),
        _number(fields["p_holm"]),
    )


def _intervals(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Interval]:
    return {
        name: Interval.from_dict({key: value for key, value in fields.items() if key != "runs"})
        for name, fields in scores.items()
    }


def _values(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    return {name: _number(fields["value"]) for name, fields in metrics.items()}


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _same(one: float, other: float) -> bool:
    return one == other or (one != one and other != other)
