"""In which organs a finding may be, by what it is and where the report has it."""

from collections.abc import Collection, Iterable, Sequence

import torch
from torch import Tensor

from sightline.errors import DataError
from sightline.regions.allowed.study_labels import LEFT_LUNG, PLACES, RIGHT_LUNG

ORGANS = ("right_lung", "mediastinum", "left_lung")
"""Organs of a partition of the chest; the label map of a volume has 1, 2 and 3 for them, in this order."""

Found = Collection[tuple[str, str]]  # finding and place, as `nodule` in `right_upper`


def organs_of_label(label: str, places: Iterable[str] = ()) -> tuple[str, ...]:
    """Name the organs that a present label may be in.

    What is in the heart, a great vessel or the mediastinum is in the mediastinum, of which these are part. What is in
    the lungs is in the one that the report tells, in both if it tells both, and in both if it tells neither.

    Args:
        label: region and finding, as `lung_nodule`; the region is `lung`, `heart`, `h_great_vessel` or `h_mediastinum`.
        places: where the report has this finding, as `right_upper`; others than those of the lungs say no side.

    Returns:
        Some of `ORGANS`, in their order.

    Raises:
        DataError: the label has another region.

    Reference:
        Draelos and Carin 2020, arXiv:2011.08891, 3.6 and 12; both lungs where no side is told: the code of the authors.
    """
    region, _ = _region_and_finding(label)
    if region != "lung":
        return ("mediastinum",)
    there = set(places)
    sides = {"right_lung": bool(there & RIGHT_LUNG), "left_lung": bool(there & LEFT_LUNG)}
    return tuple(side for side, told in sides.items() if told or not any(sides.values()))


def organs_of_findings(found: Found, labels: Sequence[str]) -> Tensor:
    """Tell of each label in which organs it may be, by one report.

    Args:
        found: findings and their places; `PLACES` names the places that matter.
        labels: the classes, as `STUDY_LABELS`.

    Returns:
        `(K, O)` bool, the organs as `ORGANS`; of a label that is not found, where it would be.

    Raises:
        DataError: a label has no organ.
    """
    which = torch.zeros(len(labels), len(ORGANS), dtype=torch.bool)
    for row, label in enumerate(labels):
        _, finding = _region_and_finding(label)
        for organ in organs_of_label(label, [place for each, place in found if each == finding]):
            which[row, ORGANS.index(organ)] = True
    return which


def _region_and_finding(label: str) -> tuple[str, str]:
    for region in PLACES:
        if label.startswith(f"{region}_"):
            return region, label.removeprefix(f"{region}_")
    known = ", ".join(f"{region}_" for region in PLACES)
    raise DataError(f"label '{label}' belongs to no organ; its name must begin with one of {known}")
