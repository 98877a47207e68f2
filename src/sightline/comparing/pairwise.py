"""Every two recipes against each other, with p-values corrected for how many pairs there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from sightline.comparing.draws import Score, difference
from sightline.metrics import holm
from sightline.metrics.intervals import Interval
from sightline.metrics.resampling import Resampling

TESTED = ("macro_f1", "auroc", "relevance_inside")
"""Scores that are tested. A test of each of many scores would find something by chance."""


@dataclass(frozen=True)
class PairTest:
    """Two recipes under one condition.

    Attributes:
        metric: name of the score.
        first: name of a recipe.
        second: name of another.
        difference: second less first, over the same resampled patients.
        p_value: two-sided; NaN where undefined. Its least value is 2 / (resamples + 1), see `resampling_for`.
        corrected: the same after Holm, over all pairs of this score under this condition.
    """

    metric: str
    first: str
    second: str
    difference: Interval
    p_value: float
    corrected: float

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return {
            "metric": self.metric,
            "first": self.first,
            "second": self.second,
            **self.difference.as_dict(),
            "p_value": self.p_value,
            "p_holm": self.corrected,
        }


def resampling_for(recipes: int) -> Resampling:
    """Draw often enough that the least p-value there is stays below 0.01 when it is corrected for all pairs.

    From 2000 resamples no p-value comes out below 0.001, and times the 55 pairs of eleven recipes that is 0.055: no
    difference, however large, could be told.
    """
    pairs = recipes * (recipes - 1) // 2
    return Resampling(resamples=max(Resampling().resamples, 200 * pairs))


def pairwise(scores: Mapping[str, Mapping[str, Score]]) -> tuple[PairTest, ...]:
    """Test every two recipes under one condition.

    Args:
        scores: by recipe and name of the score, from one `draw_scores`.

    Returns:
        For each score of `TESTED` that all recipes have, each pair in their order.
    """
    tests = []
    for metric in TESTED:
        if not all(metric in found for found in scores.values()):
            continue
        pairs = list(combinations(scores, 2))
        found = [difference(scores[first][metric], scores[second][metric]) for first, second in pairs]
        corrected = holm([p for _, p in found])
        tests += [
            PairTest(metric, first, second, interval, p, float(q))
            for (first, second), (interval, p), q in zip(pairs, found, corrected, strict=True)
        ]
    return tuple(tests)
