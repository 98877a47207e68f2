"""Means of many columns at once, each with its interval over patients."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from sightline.errors import ShapeError
from sightline.metrics.averages import Array, ratio
from sightline.metrics.intervals import Interval
from sightline.metrics.resampling import Resampling, bootstrap


def patient_means(
    values: ArrayLike, patients: Sequence[str], *, resampling: Resampling | None = None
) -> list[Interval]:
    """Average each column over its rows, with the interval by drawing patients with all their rows.

    All columns see the same resamples. What is drawn are sums of patients, not rows, so that many rows a patient cost
    nothing.

    Args:
        values: `(N, M)`; NaN is left out.
        patients: patient of each row, `N` names.
        resampling: how often, from which seed, which level.

    Returns:
        M means, in order; `n` and `n_patients` count what was not left out, and the limits are NaN where that is of one
        patient.

    Raises:
        ShapeError: the table does not fit the patients.
        DataError: there is no row.
    """
    table = np.asarray(values, np.float64)
    if table.ndim != 2 or len(table) != len(patients):
        raise ShapeError(f"values must be ({len(patients)}, M), a row for each patient named, got {table.shape}")
    names, owner = np.unique(np.asarray(patients, dtype=np.str_), return_inverse=True)
    known = ~np.isnan(table)
    sums, counts = (np.zeros((len(names), table.shape[1])) for _ in range(2))
    np.add.at(sums, owner, np.where(known, table, 0.0))
    np.add.at(counts, owner, known)

    def statistic(weights: Array) -> Mapping[int, Array]:
        return dict(enumerate(ratio(weights @ sums, weights @ counts).T))

    found = bootstrap(statistic, names.tolist(), resampling=resampling)
    return [_counted(found[m], counts[:, m]) for m in range(table.shape[1])]


def _counted(interval: Interval, counts: Array) -> Interval:
    """Say how many rows and patients a mean rests on; of one patient nothing follows for others."""
    people = int((counts > 0).sum())
    exact = replace(interval, n=int(counts.sum()), n_patients=people)
    return exact if people > 1 else replace(exact, low=float("nan"), high=float("nan"))
