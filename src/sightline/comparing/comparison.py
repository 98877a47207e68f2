"""Several runs under one protocol, side by side: every score, the bias gaps, and the differences between runs."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sightline.comparing.conditions import Condition, hardest_of
from sightline.comparing.draws import Score, draw_scores
from sightline.comparing.latex import latex_table
from sightline.comparing.pairwise import PairTest, pairwise, resampling_for
from sightline.comparing.seeds import by_recipe
from sightline.errors import DataError
from sightline.evaluation import Evaluation, paired_change
from sightline.metrics.intervals import Interval
from sightline.runs import write_json, write_text
from sightline.showing import interval_words, table_html, told_html
from sightline.training import StepCost

_COLUMNS = ("recipe", "split", "bias", "metric", "value", "low", "high", "n", "n_patients", "method", "seeds", "sd")
_PAIRS = ("split", "bias", "metric", "first", "second", "difference", "low", "high", "p_value", "p_holm")


@dataclass(frozen=True, eq=False)
class Comparison:
    """What came out of testing several runs.

    Attributes:
        evaluations: by name of the run, then by condition; the same conditions in the same order for every run.
        costs: of a training step and in weights, by name of the recipe, where it was measured.
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

    @property
    def recipes(self) -> dict[str, tuple[str, ...]]:
        """Names of the runs by recipe: one, or one a seed."""
        return by_recipe(self.evaluations)

    @property
    def hardest(self) -> Condition:
        """The condition furthest from training, see `hardest_of`."""
        return hardest_of(self.conditions)

    @cached_property
    def scores(self) -> dict[Condition, dict[str, dict[str, Score]]]:
        """Every score over all cases, by condition and recipe: the mean over its runs, where it has several seeds."""
        draws = resampling_for(len(self.recipes))
        return {
            condition: draw_scores(
                {name: [self.evaluations[run][condition] for run in runs] for name, runs in self.recipes.items()},
                resampling=draws,
            )
            for condition in self.conditions
        }

    @cached_property
    def pairs(self) -> dict[Condition, tuple[PairTest, ...]]:
        """Every two recipes against each other, under each condition."""
        return {condition: pairwise(scores) for condition, scores in self.scores.items()}

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
            "scores": {
                str(condition): {
                    name: {metric: {**score.interval.as_dict(), "runs": score.runs} for metric, score in found.items()}
                    for name, found in recipes.items()
                }
                for condition, recipes in self.scores.items()
            },
            "pairs": {str(condition): [test.as_dict() for test in tests] for condition, tests in self.pairs.items()},
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
                    writer.writerow(_row(name, condition, metric, score))
        for condition, recipes in self.scores.items():
            for name, found in recipes.items():
                for metric, several in found.items():
                    if len(several.runs) > 1:
                        row = _row(name, condition, metric, several.interval)
                        writer.writerow([*row[:-2], len(several.runs), *_cells([several.spread])])
        for name, cost in self.costs.items():
            timed = [cost.ratio, cost.least, cost.greatest, "", "", "median of pairs of steps, least and greatest"]
            writer.writerow([name, "", "", "step_cost", *timed, "", ""])
            writer.writerow([name, "", "", "parameters", cost.parameters, "", "", "", "", "count", "", ""])
        return text.getvalue()

    def pairs_as_csv(self) -> str:
        """One line a condition, metric and pair of recipes."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_PAIRS)
        for condition, tests in self.pairs.items():
            for test in tests:
                moved = test.difference
                known = _cells([moved.value, moved.low, moved.high, test.p_value, test.corrected])
                writer.writerow([condition.split, condition.bias, test.metric, test.first, test.second, *known])
        return text.getvalue()

    def as_latex(self) -> str:
        """One line a recipe: macro-F1 under each condition, share of relevance inside the region, and what it costs."""
        head, rows = self._table()
        return latex_table(head, rows, caption=self._caption)

    def _repr_html_(self) -> str:
        """Show the table of `as_latex` in a notebook."""
        head, rows = self._table()
        return told_html([self._caption]) + table_html(head, [[name, *cells] for name, cells in rows.items()])

    @property
    def _caption(self) -> str:
        caption = "Macro-F1 and share of relevance inside the region, 95 % intervals over patients."
        if len(self.recipes) < len(self.evaluations):
            caption += " Means over seeds, and the standard deviation over them."
        return caption

    def _table(self) -> tuple[list[str], dict[str, list[str]]]:
        """Names of the columns, and the cells of each recipe."""
        head = ["recipe", *(f"{condition.split}, bias {condition.bias}" for condition in self.conditions), "inside"]
        head += ["step", "weights"] if self.costs else []
        rows = {}
        for name in self.recipes:
            under = [self.scores[condition][name] for condition in self.conditions]
            cells = [_words(found["macro_f1"]) for found in under]
            cells.append(_words(under[0]["relevance_inside"]) if "relevance_inside" in under[0] else "-")
            if self.costs:
                cost = self.costs[name]
                cells += [f"{cost.ratio:.2f}", f"{cost.parameters / 1e6:.2f} M"]
            rows[name] = cells
        return head, rows

    def write(self, folder: Path) -> None:
        """Write `comparison.csv`, `.tex` and `.json`, and `pairs.csv`, each atomically."""
        write_text(folder / "comparison.csv", self.as_csv())
        write_text(folder / "pairs.csv", self.pairs_as_csv())
        write_text(folder / "comparison.tex", self.as_latex())
        write_json(folder / "comparison.json", self.as_dict())


def _row(name: str, condition: Condition, metric: str, score: Interval) -> list[Any]:
    known = _cells([score.value, score.low, score.high, score.n, score.n_patients, score.method])
    return [name, condition.split, condition.bias, metric, *known, "", ""]


def _cells(values: Sequence[Any]) -> list[Any]:
    """Leave empty what is not known."""
    return ["" if value is None or value != value else value for value in values]


def _words(score: Score) -> str:
    """A score as `0.81 [0.76, 0.85]`, with `(sd 0.02)` where there are several seeds."""
    shown, spread = score.interval, score.spread
    return interval_words(shown.value, shown.low, shown.high) + ("" if spread != spread else f" (sd {spread:.2f})")


def _plain(nested: Mapping[str, Mapping[Condition, Mapping[str, Interval]]]) -> dict[str, Any]:
    return {
        name: {
            str(condition): {metric: interval.as_dict() for metric, interval in scores.items()}
            for condition, scores in results.items()
        }
        for name, results in nested.items()
    }
