"""Means over all cases, over those of a class, and over those of a source, with intervals over patients."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sightline.evaluation.audit.part import Columns
from sightline.evaluation.audit.section import Number
from sightline.metrics.intervals import Interval
from sightline.metrics.patient_means import patient_means
from sightline.metrics.resampling import Resampling

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.bool_]

FEWEST = 10
"""Patients below which no verdict is given: intervals that draw fewer again are too narrow."""
SOURCES = 12
"""Sources that are told of at most, those with most cases."""


def groups_of(columns: Columns, answered: NDArray[np.int64], classes: Sequence[str]) -> dict[str, Rows]:
    """Sort cases: all of them under an empty name, then by class answered, then by source where there are several.

    Args:
        columns: of N cases.
        answered: class of each answer, `(N,)`.
        classes: names.

    Returns:
        By name, such as `class effusion` or `source east`, who belongs to it, `(N,)`.
    """
    found = {"": np.ones(len(columns.cases), dtype=bool)}
    for index, name in enumerate(classes):
        if (answered == index).any():
            found[f"class {name}"] = answered == index
    sources = np.array([case.source for case in columns.cases])
    counts = Counter(source for source in sources.tolist() if source)
    if len(counts) > 1:
        for source, _ in counts.most_common(SOURCES):
            found[f"source {source}"] = sources == source
    return found


def group_means(
    values: Mapping[str, Floats], groups: Mapping[str, Rows], patients: Sequence[str], resampling: Resampling
) -> dict[str, dict[str, Interval]]:
    """Average columns over groups, all over the same resamples.

    Args:
        values: by name, `(N,)`; NaN is left out.
        groups: who belongs to each, `(N,)`.
        patients: of each case.
        resampling: how patients are drawn.

    Returns:
        By name of the column, then of the group.
    """
    table = np.stack([np.where(rows, column, np.nan) for column in values.values() for rows in groups.values()], 1)
    found = iter(patient_means(table, patients, resampling=resampling))
    return {name: {group: next(found) for group in groups} for name in values}


def numbers_of(means: Mapping[str, Mapping[str, Interval]]) -> tuple[Number, ...]:
    """Return means as numbers of a section, those of a group without cases left out."""
    return tuple(
        Number(name, interval, group)
        for name, of in means.items()
        for group, interval in of.items()
        if interval.n or not group
    )
