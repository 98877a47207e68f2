"""Scores that are tested against a value by drawing patients again."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from sightline.metrics import DifferenceTest, Resampling, bootstrap, ratio
from sightline.metrics.averages import Array

Name = TypeVar("Name", bound=Hashable)


def drawn_tests(
    statistic: Callable[[Array], Mapping[Name, Array]],
    patients: Sequence[str],
    *,
    resampling: Resampling,
    against: float = 0.0,
) -> dict[Name, DifferenceTest]:
    r"""Give each score its interval over patients and a test of whether it differs from a value.

    $$p = \min\left(1,\ 2\, \frac{1 + \min(\#\{d \le 0\}, \#\{d \ge 0\})}{1 + B}\right)$$ for the B scores less the
    value, $d$: the interval turned into a test, as in `paired_bootstrap_test`.

    Args:
        statistic: scores by name, `(B,)` each, for rows of weights `(B, N)`.
        patients: patient of each image, `N` names.
        resampling: how patients are drawn.
        against: the value.

    Returns:
        By name the score itself as `difference`, not less the value; p is NaN where it is undefined, or from one
        patient.

    Raises:
        DataError: there is no image.

    Reference:
        Efron & Tibshirani 1993, ch. 15 and 16.
    """
    blocks: dict[Name, list[Array]] = {}

    def kept(weights: Array) -> Mapping[Name, Array]:
        values = statistic(weights)
        for name, scores in values.items():
            blocks.setdefault(name, []).append(scores)
        return values

    intervals = bootstrap(kept, patients, resampling=resampling)
    tests = {}
    for name, interval in intervals.items():
        drawn = np.concatenate(blocks[name][1:]) - against  # the first is the data
        known = drawn[~np.isnan(drawn)]
        least = min((known <= 0).sum(), (known >= 0).sum())
        defined = len(known) and interval.low == interval.low and interval.value == interval.value
        p = min(1.0, 2 * (1 + least) / (1 + len(known))) if defined else np.nan
        spread = known.std(ddof=1) if len(known) > 1 else np.nan
        tests[name] = DifferenceTest(float(ratio(interval.value - against, spread)), float(p), interval)
    return tests
