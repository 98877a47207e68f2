"""Scores as a short table for the terminal."""

from collections.abc import Mapping

from sightline.cli.output import table
from sightline.comparing import Condition
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


def _cell(score: Interval | None) -> str:
    if score is None or score.value != score.value:
        return "-"
    limits = "" if score.low != score.low else f" [{score.low:.2f}, {score.high:.2f}]"
    return f"{score.value:.2f}{limits}"
