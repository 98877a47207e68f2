"""Scores along the body: how much each slice speaks for a label, with and without the finding.

Reference:
    Draelos and Carin, arXiv:2011.08891v2, section 14.1 and figure 13.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sightline.errors import DataError, ShapeError
from sightline.metrics.averages import Array
from sightline.metrics.patient_means import patient_means
from sightline.metrics.resampling import Resampling


@dataclass(frozen=True, eq=False)
class SliceBand:
    """Mean score along the body over some scans.

    Attributes:
        mean: `(S,)`, from head to feet; NaN without a scan.
        low: lower limit over patients, slice by slice, `(S,)`; NaN for one patient.
        high: upper limit, `(S,)`.
        n: scans.
        n_patients: patients.
    """

    mean: Array
    low: Array
    high: Array
    n: int
    n_patients: int


@dataclass(frozen=True, eq=False)
class SliceCurves:
    """How the scores of one label run along the body.

    Attributes:
        present: over scans with the finding.
        absent: over scans without it.
    """

    present: SliceBand
    absent: SliceBand


def resample_slices(scores: Sequence[ArrayLike], length: int) -> Array:
    """Bring scans of different numbers of slices to one axis, by linear interpolation between middles of slices.

    Args:
        scores: of each scan, `(K, S)` with its own S, from head to feet.
        length: slices wanted, at least 1.

    Returns:
        `(N, K, length)`; where the axis goes beyond the middle of an outer slice, the score of that slice.

    Raises:
        ShapeError: scores are no table, or of different labels.
        DataError: there is no scan.
    """
    tables = [np.asarray(table, np.float64) for table in scores]
    if not tables:
        raise DataError("there is no scan to resample; the split is empty")
    for table in tables:
        if table.ndim != 2 or len(table) != len(tables[0]) or not table.size or length < 1:
            labels = len(tables[0])
            raise ShapeError(f"scores must be ({labels}, S) to become ({labels}, {length}), got {table.shape}")
    middles = (np.arange(length) + 0.5) / length
    places = [(np.arange(table.shape[1]) + 0.5) / table.shape[1] for table in tables]
    return np.stack(
        [np.stack([np.interp(middles, at, row) for row in table]) for at, table in zip(places, tables, strict=True)]
    )


def slice_score_curves(
    scores: ArrayLike,
    labels: ArrayLike,
    patients: Sequence[str],
    classes: Sequence[str],
    *,
    resampling: Resampling | None = None,
) -> dict[str, SliceCurves]:
    """Average the scores of each slice over the scans with and without each finding.

    The interval is that of each slice by itself, by drawing patients; it is no band that holds the whole curve.

    Args:
        scores: score of each label in each slice, `(N, K, S)`; see `resample_slices`.
        labels: 1 present, 0 absent, NaN unknown (left out), `(N, K)`.
        patients: patient of each scan, `N` names.
        classes: names of the K labels.
        resampling: how often, from which seed, which level.

    Returns:
        By name of the label.

    Raises:
        ShapeError: the arguments do not fit.
    """
    table, truth = np.asarray(scores, np.float64), np.asarray(labels, np.float64)
    wanted = (len(patients), len(classes))
    if table.ndim != 3 or table.shape[:2] != wanted or truth.shape != wanted:
        raise ShapeError(f"scores must be {wanted} and S, labels {wanted}, got {table.shape} and {truth.shape}")

    def band(label: int, value: int) -> SliceBand:
        rows = np.flatnonzero(truth[:, label] == value).tolist()
        if not rows:
            nothing = np.full(table.shape[2], np.nan)
            return SliceBand(nothing, nothing, nothing, 0, 0)
        people = [patients[row] for row in rows]
        found = patient_means(table[rows, label], people, resampling=resampling)
        mean, low, high = np.array([(each.value, each.low, each.high) for each in found]).T
        return SliceBand(mean, low, high, len(rows), len(set(people)))

    return {name: SliceCurves(band(index, 1), band(index, 0)) for index, name in enumerate(classes)}
