"""What a page shows of a comparison: every two recipes against each other, and what each costs."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from sightline.cli.gallery import Runs
from sightline.cli.score_tables import METRICS, condition_words, score
from sightline.comparing import Comparison, Condition, StoredComparison, read_stored, recipe_of
from sightline.comparing.pairwise import PairTest
from sightline.comparing.stored import FILE
from sightline.errors import DataError
from sightline.metrics.intervals import Interval
from sightline.reporting import Priced, PValue, Score, Table
from sightline.training import StepCost

TOLD_APART = 0.05  # greatest p-value, after Holm
_FEW = 10  # pairs that are not folded
_log = logging.getLogger(__name__)


def find_stored(folders: Sequence[Path], runs: Runs, comparison: Comparison) -> StoredComparison | None:
    """Read the comparison that lies in one of the folders, if it was made of these runs as they are now.

    Args:
        folders: that a report was asked about.
        runs: settings and folder of each run, by name.
        comparison: their evaluations.
    """
    there = [folder for folder in folders if (folder / FILE).is_file()]
    if not there:
        return None
    if len(there) > 1:
        _log.warning("%s folders hold comparisons; name one of them for its pairs and costs", len(there))
        return None
    try:
        stored = read_stored(there[0])
    except DataError as error:
        _log.warning("pairs and costs are left out: %s", error)
        return None
    alike: dict[str, list[bool]] = {}
    for name, (settings, _) in runs.items():
        if settings.name in stored.values:
            fits = stored.fits(settings.name, comparison.evaluations[name])
            alike.setdefault(settings.name, []).append(fits)
    other = [run for run, fits in alike.items() if not any(fits)]
    if other or not alike:
        told = f"{other[0]} was evaluated again since" if other else "it is of other runs"
        _log.warning("pairs and costs are left out: %s/%s, %s; compare again", there[0], FILE, told)
        return None
    return stored


def pair_tables(stored: StoredComparison) -> tuple[Table, ...]:
    """Lay out every two recipes, a table a score and condition: the hardest condition first, and folded if long."""
    conditions = sorted(stored.pairs, key=lambda condition: condition != stored.hardest)
    tables: list[Table] = []
    for metric in dict.fromkeys(test.metric for tests in stored.pairs.values() for test in tests):
        for condition in conditions:
            tests = [test for test in stored.pairs[condition] if test.metric == metric]
            if tests:
                tables.append(_pair_table(metric, condition, tests, open_one=not tables))
    return tuple(tables)


def _pair_table(metric: str, condition: Condition, tests: Sequence[PairTest], *, open_one: bool) -> Table:
    apart = sum(test.corrected < TOLD_APART for test in tests)
    return Table(
        f"{METRICS.get(metric, metric)} on {condition_words(condition)}: {apart} of {len(tests)} told apart",
        ("Recipe", "Over", "Difference", "p", "p (Holm)"),
        tuple(
            (test.second, test.first, score(test.difference), PValue(test.p_value), PValue(test.corrected))
            for test in tests
        ),
        folded=not (open_one and len(tests) <= _FEW),
        signed=True,
    )


def priced(
    scores: Mapping[str, Mapping[str, Interval]], costs: Mapping[str, StepCost], guided: set[str]
) -> tuple[Priced, ...]:
    """Put the macro-F1 of each recipe beside what its training step costs.

    Args:
        scores: by recipe and name, under one condition.
        costs: by recipe; those without are left out.
        guided: names of the recipes whose attention is guided.
    """
    return tuple(
        Priced(name, costs[name].ratio, score(found["macro_f1"]), name in guided)
        for name, found in scores.items()
        if name in costs
    )


def guided_recipes(runs: Runs) -> set[str]:
    """Name the recipes whose attention is guided."""
    return {recipe_of(settings.name) for settings, _ in runs.values() if settings.guidance is not None}


def cost_table(stored: StoredComparison) -> Table | None:
    """Lay out what each recipe costs; None where nothing was measured."""
    if not stored.costs:
        return None
    return Table(
        "Cost of a training step over the plain one's",
        ("Recipe", "Step", "Weights"),
        tuple(
            (name, Score(cost.ratio, cost.least, cost.greatest), cost.parameters) for name, cost in stored.costs.items()
        ),
        lead="Median, least and greatest of the pairs of steps that were timed.",
    )
