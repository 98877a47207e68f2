"""Whether one model looks more into the right organs than another, on the same pairs of scan and finding."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sightline.errors import DataError
from sightline.evaluation.organ_iou import OrganIoU
from sightline.metrics.averages import Array, ratio, weighted_mean
from sightline.metrics.intervals import Interval
from sightline.metrics.resampling import Resampling, bootstrap


@dataclass(frozen=True)
class OrganIoUChange:
    """How OrganIoU differs between two models, over the pairs for which both have a number.

    Attributes:
        first: mean of the first model.
        second: mean of the second.
        difference: second less first.
        relative: difference over the first, as the paper states its gain.
    """

    first: Interval
    second: Interval
    difference: Interval
    relative: Interval

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return {name: getattr(self, name).as_dict() for name in ("first", "second", "difference", "relative")}


def organ_iou_change(first: OrganIoU, second: OrganIoU, *, resampling: Resampling | None = None) -> OrganIoUChange:
    """Compare two models pair by pair; each has its own thresholds.

    All intervals are by drawing the same patients for both models.

    Args:
        first: of one model, such as the plain one.
        second: of another; pairs that only one has a number for are left out.
        resampling: how often, from which seed, which level.

    Raises:
        DataError: they share no pair, are of other labels, or disagree on the patient of a scan.
    """
    if first.classes != second.classes:
        raise DataError("the two evaluations are of different labels; evaluate the same cohort both times")
    places = {pair: row for row, pair in enumerate(zip(second.cases, second.labels.tolist(), strict=True))}
    old, new, people = [], [], []
    for row, pair in enumerate(zip(first.cases, first.labels.tolist(), strict=True)):
        other = places.get(pair)
        if other is None or np.isnan(first.values[row]) or np.isnan(second.values[other]):
            continue
        if first.patients[row] != second.patients[other]:
            raise DataError(f"case {pair[0]} has another patient in the second evaluation; the cohort has changed")
        old.append(float(first.values[row]))
        new.append(float(second.values[other]))
        people.append(first.patients[row])
    if not old:
        raise DataError("the two evaluations share no pair with a number; evaluate the same split both times")

    def statistic(weights: Array) -> Mapping[str, Array]:
        before, after = weighted_mean(old, weights=weights), weighted_mean(new, weights=weights)
        gain = after - before
        return {"first": before, "second": after, "difference": gain, "relative": ratio(gain, before)}

    found = bootstrap(statistic, people, resampling=resampling)
    paired = {name: replace(found[name], method=f"paired {found[name].method}") for name in ("difference", "relative")}
    return OrganIoUChange(found["first"], found["second"], **paired)
