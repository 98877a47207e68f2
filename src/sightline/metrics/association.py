"""Whether two ways to sort the same cases have to do with each other."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sightline.errors import DataError, SettingsError, ShapeError

Counts: TypeAlias = NDArray[np.float64]
Kinds: TypeAlias = NDArray[np.int64]

_BLOCK = 256  # permutations at once


@dataclass(frozen=True)
class Association:
    """How strongly, and how surely.

    Attributes:
        v: Cramer's, from 0 (none) to 1 (one sorting follows from the other); NaN where a sorting has one kind only.
        statistic: chi-squared of the table, summed over the strata.
        p: chance of a statistic at least as great if the two had nothing to do with each other; NaN where `v` is.
        n: cases, one a patient.
        resamples: permutations that were drawn.
        seed: of the draw.
    """

    v: float
    statistic: float
    p: float
    n: int
    resamples: int
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return asdict(self)


def association(
    first: ArrayLike,
    second: ArrayLike,
    patients: Sequence[str],
    *,
    within: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Association:
    r"""Test two sortings for independence by dealing out one of them anew, which asks for no number of cases a cell.

    $$\chi^2 = \sum_s \sum_{ij} \frac{(n_{sij} - n_{si} n_{sj} / n_s)^2}{n_{si} n_{sj} / n_s}, \qquad
      V = \sqrt{\chi^2 / \textstyle\sum_s n_s (k_s - 1)}$$

    with $k_s$ the lesser number of kinds in a stratum. Of a patient with several images the first one counts.

    Args:
        first: kind of each case, `(N,)`.
        second: of the same cases.
        patients: who is on each image, `N` names.
        within: stratum of each case, in which the kinds are dealt out, such as its class: then what the strata explain
            counts for nothing; None for one stratum.
        resamples: permutations.
        seed: of the permutations.

    Raises:
        ShapeError: the rows do not fit.
        DataError: there is no case.
        SettingsError: there is no permutation.

    Reference:
        Cramer 1946, section 21.9. The p-value counts the table itself as one of the draws: Davison & Hinkley 1997,
        eq. 4.11. In strata: Mantel 1963, doi:10.1080/01621459.1963.10500879 (there another statistic).
    """
    rows = [np.unique(np.asarray(kinds), return_inverse=True)[1] for kinds in (first, second)]
    strata = (
        np.zeros(len(rows[0]), np.int64) if within is None else np.unique(np.asarray(within), return_inverse=True)[1]
    )
    if any(row.shape != (len(patients),) for row in (*rows, strata)):
        raise ShapeError(f"kinds and strata must be ({len(patients)},), one for each patient named")
    if not len(patients):
        raise DataError("there is no case to test")
    if resamples < 1:
        raise SettingsError(f"resamples must be at least 1, got {resamples}; 2000 is usual")
    picked = np.sort(np.unique(np.asarray(patients, np.str_), return_index=True)[1])
    a, b, strata = rows[0][picked], rows[1][picked], strata[picked]
    found, freedom = _chi_squared(a, b[None], strata)
    statistic = float(found[0])
    if not freedom:
        return Association(np.nan, 0.0, np.nan, len(a), resamples, seed)
    generator = np.random.default_rng(seed)
    by_stratum = np.argsort(strata, kind="stable")
    as_great = 1
    for start in range(0, resamples, _BLOCK):
        draws = generator.random((min(_BLOCK, resamples - start), len(b)))
        dealt = np.empty(draws.shape, np.int64)
        dealt[:, by_stratum] = b[np.argsort(strata + draws, axis=1)]  # by stratum, in random order within it
        as_great += int((_chi_squared(a, dealt, strata)[0] >= statistic * (1 - 1e-9)).sum())
    v = float(np.sqrt(statistic / freedom))
    return Association(v, statistic, as_great / (resamples + 1), len(a), resamples, seed)


def _chi_squared(a: Kinds, b: Kinds, strata: Kinds) -> tuple[Counts, float]:
    """Chi-squared for each row of `b`, `(B, N)`, and the greatest that it could be, each summed over strata."""
    shape = (int(strata.max()) + 1, int(a.max()) + 1, int(b.max()) + 1)
    cells = int(np.prod(shape))
    places = np.ravel_multi_index((strata, a, np.zeros_like(a)), shape) + b + cells * np.arange(len(b))[:, None]
    table = np.bincount(places.ravel(), minlength=cells * len(b)).reshape(-1, *shape).astype(np.float64)
    down, across, total = (table.sum(axes, keepdims=True) for axes in (3, 2, (2, 3)))
    expected = down * across / np.maximum(total, 1)
    parts = np.divide((table - expected) ** 2, expected, out=np.zeros_like(table), where=expected > 0)
    kinds = np.minimum((down[0] > 0).sum(1).ravel(), (across[0] > 0).sum(2).ravel())
    return parts.sum((1, 2, 3)), float((total[0].ravel() * np.maximum(kinds - 1, 0)).sum())
