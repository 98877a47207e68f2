"""Scores as a short table for the terminal."""

from collections.abc import Mapping

from sightline.cli.output import table
from sightline.comparing import Comparison, Condition
from sightline.evaluation import Evaluation
from sightline.metrics.intervals import Interval

COLUMNS = {
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "auroc": "AUROC",
    "relevance_inside": "inside",
}


def scores_table(evaluations: Mapping[str, Mapping[Condition, Evaluation]]) -> str:
    """Lay out the scores of runs, a line a run and condition, each with its 95 % interval."""
    rows = []
    for name, results in evaluations.items():
        for condition, result in results.items():
            cells = [_cell(result.metrics.get(metric)) for metric in COLUMNS]
            rows.append([f"{name}, {condition.split}, bias {condition.bias}", *cells])
    return table(["", *COLUMNS.values()], rows)


def side_by_side(comparison: Comparison) -> str:
    """Lay out one line a run: macro-F1 under each condition, relevance inside the region, and what it costs."""
    conditions = comparison.conditions
    head = ["macro-F1", *(f"{condition.split} {condition.bias}" for condition in conditions), "inside"]
    head += ["step", "weights"] if comparison.costs else []
    rows = []
    for name, results in comparison.evaluations.items():
        scores = [results[condition].metrics.get("macro_f1") for condition in conditions]
        inside = results[conditions[0]].metrics.get("relevance_inside")
        row = [name, *(_value(score) for score in scores), _value(inside)]
        if comparison.costs:
            cost = comparison.costs[name]
            row += [f"{cost.ratio:.2f} x", f"{cost.parameters / 1e6:.2f} M"]
        rows.append(row)
    return table(head, rows)


def _value(score: Interval | None) -> str:
    return "-" if score is None or score.value != score.value else f"{score.value:.2f}"


def _cell(score: Interval | None) -> str:
    if score is None or score.value != score.value:
        return "-"
    limits = "" if score.low != score.low else f" [{score.low:.2f}, {score.high:.2f}]"
    return f"{score.value:.2f}{limits}"
