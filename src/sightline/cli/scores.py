"""Scores as a short table for the terminal."""

from collections.abc import Mapping

from sightline.cli.output import table
from sightline.comparing import Comparison, Condition
from sightline.comparing.draws import Score
from sightline.evaluation import Evaluation
from sightline.metrics.intervals import Interval

COLUMNS = {
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "auroc": "AUROC",
    "relevance_inside": "inside",
}


_FEW = 4


def scores_table(evaluations: Mapping[str, Mapping[Condition, Evaluation]]) -> str:
    """Lay out the scores of runs, a line a run and condition, each with its 95 % interval."""
    rows = []
    for name, results in evaluations.items():
        for condition, result in results.items():
            cells = [_cell(result.metrics.get(metric)) for metric in COLUMNS]
            rows.append([f"{name}, {condition.split}, bias {condition.bias}", *cells])
    return table(["", *COLUMNS.values()], rows)


def side_by_side(comparison: Comparison) -> str:
    """Lay out one line a recipe: macro-F1 under each condition, relevance inside the region, and what it costs.

    Of several seeds the mean, and the standard deviation over them behind a plus-minus sign.
    """
    conditions = comparison.conditions
    head = ["macro-F1", *(f"{condition.split} {condition.bias}" for condition in conditions), "inside"]
    head += ["step", "weights"] if comparison.costs else []
    rows = []
    for name in comparison.recipes:
        under = [comparison.scores[condition][name] for condition in conditions]
        row = [name, *(_mean(found.get("macro_f1")) for found in under), _mean(under[0].get("relevance_inside"))]
        if comparison.costs:
            cost = comparison.costs[name]
            row += [f"{cost.ratio:.2f} x", f"{cost.parameters / 1e6:.2f} M"]
        rows.append(row)
    return table(head, rows)


def pairs_table(comparison: Comparison) -> str:
    """Lay out how far recipes lie apart in macro-F1 under the hardest condition, a line a pair.

    Of more than four recipes only the pairs with the first are shown, and how many others there are.
    """
    hardest = comparison.hardest
    pairs = [test for test in comparison.pairs[hardest] if test.metric == "macro_f1"]
    few = len(comparison.recipes) <= _FEW
    shown = [test for test in pairs if few or test.first == next(iter(comparison.recipes))]
    rows = [
        [
            f"{test.second} over {test.first}",
            _cell(test.difference, sign="+"),
            "-" if test.corrected != test.corrected else f"{test.corrected:.3f}",
        ]
        for test in shown
    ]
    laid_out = table([f"macro-F1, {hardest.split} {hardest.bias}", "difference", "p (Holm)"], rows)
    left = len(pairs) - len(shown)
    return f"{laid_out}\nand {left} other pairs in pairs.csv" if left else laid_out


def _mean(score: Score | None) -> str:
    if score is None or score.interval.value != score.interval.value:
        return "-"
    return f"{score.interval.value:.2f}" + ("" if score.spread != score.spread else f" ± {score.spread:.2f}")


def _cell(score: Interval | None, sign: str = "") -> str:
    if score is None or score.value != score.value:
        return "-"
    limits = "" if score.low != score.low else f" [{score.low:{sign}.2f}, {score.high:{sign}.2f}]"
    return f"{score.value:{sign}.2f}{limits}"
