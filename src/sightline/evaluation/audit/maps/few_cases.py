"""A few cases of every class, for questions that are too costly to ask of all."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from sightline.data.cohort import Case


def spread_over_classes(cases: Sequence[Case], limit: int, seed: int) -> list[Case]:
    """Draw cases, of the classes in turn, until the limit or the last one.

    Args:
        cases: to draw from.
        limit: how many.
        seed: of the draw; fewer cases of one seed are the first of more.

    Returns:
        In the order drawn.
    """
    seen: Counter[int] = Counter()
    ranks: list[tuple[int, int, int]] = []  # within its class, as drawn, place
    for index in np.random.default_rng(seed).permutation(len(cases)).tolist():
        kind = class_of(cases[index])
        ranks.append((seen[kind], len(ranks), index))
        seen[kind] += 1
    return [cases[index] for _, _, index in sorted(ranks)[:limit]]


def class_of(case: Case) -> int:
    """Its class; of many labels the first that is there, and -1 where none is."""
    if isinstance(case.label, tuple):
        return next((index for index, value in enumerate(case.label) if value == 1), -1)
    return case.label


def partners_of(drawn: Sequence[Case]) -> dict[str, Case]:
    """Give each case the next one of another class, or the next one where all are of one; by name of the case."""
    found = {}
    for index, case in enumerate(drawn):
        after = [*drawn[index + 1 :], *drawn[:index]]
        if after:
            found[case.id] = next((other for other in after if class_of(other) != class_of(case)), after[0])
    return found
