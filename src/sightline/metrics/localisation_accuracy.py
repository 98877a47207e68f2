"""How often a map finds the region of its class: the accuracy of localisation of the chest radiograph literature.

A pair of an image and a class counts as found where the map, made binary, overlaps the region enough, by the share of
their union (IoU) or of the map itself (IoR), and the share of the pairs of a class that are found is the accuracy. It
is reported at several thresholds, and as their mean.

Reference:
    Wang et al. 2017 (ChestX-ray8), arXiv:1705.02315; in the form of Ouyang et al. 2021 (HAM),
    doi:10.1109/TMI.2020.3042773.
"""

from collections.abc import Sequence

import torch

from sightline.errors import SettingsError, ShapeError
from sightline.metrics.maps import Maps, as_tensor, in_kind, share

IOU_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
IOR_THRESHOLDS = (0.1, 0.25, 0.5, 0.75, 0.9)


def localisation_overlap(maps: Maps, regions: Maps, *, level: float = 0.999) -> tuple[Maps, Maps]:
    """Overlap of each map with its region, over their union and over the map.

    Args:
        maps: `(N, K, *S)`, such as the refined maps of a HAM.
        regions: of each class, `(N, K, *S)`, NaN where unknown; over half counts as inside.
        level: value from which on a pixel belongs to the map; 0.999 in HAM, whose maps are almost binary.

    Returns:
        IoU and IoR, `(N, K)` in [0, 1]; NaN where the region is unknown or empty. A map without a pixel is a miss, 0.

    Raises:
        ShapeError: maps and regions do not fit.
    """
    found, allowed = as_tensor(maps), as_tensor(regions)
    if found.shape != allowed.shape or found.ndim < 3:
        raise ShapeError(
            f"maps and regions must both be (N, K, *S), got {tuple(found.shape)} and {tuple(allowed.shape)}"
        )
    taken, inside = (found >= level).flatten(2), (allowed > 0.5).flatten(2)
    both, either, drawn = ((taken & inside).sum(2), (taken | inside).sum(2), taken.sum(2))
    unknown = allowed.flatten(2).isnan().any(2) | ~inside.any(2)
    nan = float("nan")
    of_union = share(both.to(found.dtype), either.to(found.dtype)).masked_fill(unknown, nan)
    of_map = share(both.to(found.dtype), drawn.to(found.dtype)).nan_to_num(nan=0.0).masked_fill(unknown, nan)
    return in_kind(of_union, maps), in_kind(of_map, maps)


def localisation_accuracy(overlaps: Maps, thresholds: Sequence[float] = IOU_THRESHOLDS) -> Maps:
    """Share of the pairs of each class whose overlap reaches a threshold.

    Args:
        overlaps: IoU or IoR of each image and class, `(N, K)`, NaN where unknown.
        thresholds: T of them, each over 0 to 1; the mean over them and then over the classes that are not NaN is the
            number that HAM reports.

    Returns:
        `(T, K)` in [0, 1]; NaN for a class without a known region.

    Raises:
        ShapeError: `overlaps` has other axes.
        SettingsError: there is no threshold, or one lies outside (0, 1].
    """
    values = as_tensor(overlaps)
    if values.ndim != 2:
        raise ShapeError(f"overlaps must be (N, K), got {tuple(values.shape)}")
    if not thresholds or not all(0 < threshold <= 1 for threshold in thresholds):
        raise SettingsError(f"thresholds must be shares over 0 to 1, got {list(thresholds)}")
    counted = (~values.isnan()).sum(0).to(values.dtype)
    reached = torch.stack([(values >= threshold).sum(0).to(values.dtype) for threshold in thresholds])
    return in_kind(share(reached, counted.expand_as(reached)), overlaps)
