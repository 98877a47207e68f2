r"""OrganIoU: how much of the attention that a finding gets in a volume lies in the organ where it belongs.

Attention is brought to [0, 1] in each volume and for each label (`normalised_attention`), cut at a threshold, and what
is above is counted where it is allowed and where not:

$$\mathrm{OrganIoU} = \frac{\mathrm{allowed}}{\mathrm{allowed} + \mathrm{forbidden}}$$

In spite of its name it divides by no union: it is 1 when all attention is in the organ, however little of the organ
that is. Chance is the share of the volume that the organ has. A *pair* is a scan and a label present in it; these are
its limiting cases:

| allowed | forbidden | `organ_iou` | with `zero_if_either_is_zero` |
|---|---|---|---|
| some | none | 1 | 0 |
| none | some | 0 | 0 |
| none | none | NaN, left out and counted | 0 |

The last column is what the code of the paper computes, which scores perfect attention 0. The last row only happens
where the map is the same everywhere, such as one that is nowhere positive: the highest place of any other is 1, above
every threshold.

Reference:
    Draelos and Carin, arXiv:2011.08891v2, section 4, and code; the paper has the second column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.averages import Array, mean_defined, ratio
from sightline.metrics.intervals import Interval
from sightline.metrics.patient_means import patient_means
from sightline.metrics.resampling import Resampling

Maps = NDArray[np.floating[Any]]
ORGAN_IOU_THRESHOLDS: tuple[float, ...] = (
    *(0.004, 0.008, 0.012, 0.016),
    *(round(0.02 * step, 2) for step in range(1, 50)),
)
_BLOCK = 2**21  # places that are counted at once


@dataclass(frozen=True)
class OrganIoUScore:
    """OrganIoU over some pairs.

    Attributes:
        mean: over the pairs, with its interval over patients; `n` are the pairs that count.
        sd: standard deviation over the pairs, with N - 1; NaN for fewer than two.
        median: over the pairs; NaN without one.
        empty: pairs without a number: nothing was above the threshold, or there was none.
    """

    mean: Interval
    sd: float
    median: float
    empty: int

    def as_dict(self) -> dict[str, Any]:
        """Numbers by name, for JSON."""
        return {**self.mean.as_dict(), "sd": self.sd, "median": self.median, "empty": self.empty}


@dataclass(frozen=True)
class OrganIoUScores:
    """OrganIoU of a model.

    Attributes:
        overall: over all pairs.
        per_label: over the pairs of each label, by its name.
        per_group: over the pairs of the labels of a group, such as diffuse findings, by its name.
    """

    overall: OrganIoUScore
    per_label: Mapping[str, OrganIoUScore]
    per_group: Mapping[str, OrganIoUScore]

    def as_dict(self) -> dict[str, Any]:
        """Scores by name, for JSON."""
        groups = {"per_label": self.per_label, "per_group": self.per_group}
        scores = {key: {name: score.as_dict() for name, score in of.items()} for key, of in groups.items()}
        return {"overall": self.overall.as_dict(), **scores}


def normalised_attention(attention: ArrayLike) -> Maps:
    r"""Drop what speaks against the label, subtract the least, and divide by the greatest that is left.

    $$a \mapsto \frac{a^+ - \min a^+}{\max a^+ - \min a^+}$$

    Args:
        attention: signed maps of any scale, `(N, *S)`.

    Returns:
        In [0, 1], of the same shape, float32 or float64; 0 throughout where a map is the same everywhere.

    Raises:
        ShapeError: there is no axis of places.
        DataError: a map holds NaN or infinity.
    """
    maps = _maps(attention)
    positive = np.maximum(maps, 0)
    axes = tuple(range(1, maps.ndim))
    low, high = positive.min(axes, keepdims=True), positive.max(axes, keepdims=True)
    scaled: Maps = np.divide(positive - low, high - low, out=np.zeros_like(positive), where=high > low)
    return scaled


def counts_above(
    attention: ArrayLike, allowed: ArrayLike, thresholds: Sequence[float] = ORGAN_IOU_THRESHOLDS
) -> tuple[Array, Array]:
    """Count the places above each threshold where attention is allowed and where it is not, in one pass.

    Args:
        attention: maps as `normalised_attention` gives them, `(N, *S)`.
        allowed: 1 where the label may get attention, 0 where not, in between by share, NaN where unknown, `(N, *S)`.
        thresholds: rising, `(T,)`; a place counts where it is greater, not equal.

    Returns:
        Allowed and forbidden, `(N, T)` each; NaN for maps whose region is unknown.

    Raises:
        ShapeError: the two do not fit.
        DataError: a map holds NaN or infinity.
        SettingsError: thresholds do not rise.
    """
    maps, where = _maps(attention), np.asarray(allowed)
    if maps.shape != where.shape:
        raise ShapeError(f"attention and allowed must be of one shape (N, *S), got {maps.shape} and {where.shape}")
    limits = np.asarray(thresholds, maps.dtype)
    if limits.ndim != 1 or not limits.size or (np.diff(limits) <= 0).any():
        raise SettingsError(f"thresholds must be numbers that rise, got {thresholds}")
    size, cuts = prod(maps.shape[1:]), limits.size
    inside, outside = (np.empty((len(maps), cuts)) for _ in range(2))
    rows = max(1, _BLOCK // max(1, size))
    for start in range(0, len(maps), rows):
        block = slice(start, start + rows)
        flat, share = maps[block].reshape(-1, size), where[block].reshape(-1, size).astype(np.float64)
        row, place = np.nonzero(flat > limits[0])
        cells = row * cuts + np.searchsorted(limits, flat[row, place]) - 1  # the last threshold that is below
        within, every = (
            np.bincount(cells, weights, minlength=len(flat) * cuts).reshape(-1, cuts)[:, ::-1].cumsum(1)[:, ::-1]
            for weights in (share[row, place], None)
        )
        unknown = np.isnan(share).any(1, keepdims=True)
        inside[block] = np.where(unknown, np.nan, within)
        outside[block] = np.where(unknown, np.nan, every - within)
    return inside, outside


def organ_iou(
    attention: ArrayLike,
    allowed: ArrayLike,
    thresholds: Sequence[float] = ORGAN_IOU_THRESHOLDS,
    *,
    zero_if_either_is_zero: bool = False,
) -> Array:
    """Share of the attention above each threshold that lies where it is allowed; see the module for limiting cases.

    Args:
        attention: maps as `normalised_attention` gives them, `(N, *S)`.
        allowed: 1 where the label may get attention, 0 where not, in between by share, NaN where unknown, `(N, *S)`.
        thresholds: rising, `(T,)`; a place counts where it is greater, not equal.
        zero_if_either_is_zero: score 0 where nothing is allowed or nothing is forbidden, as the code of the paper does.

    Returns:
        `(N, T)` in [0, 1]; NaN where the region is unknown, and by default where nothing is above the threshold.

    Raises:
        ShapeError: the two do not fit.
        DataError: a map holds NaN or infinity.
        SettingsError: thresholds do not rise.

    Example:
        >>> organ_iou([[1.0, 0.5, 0.2, 0.0]], [[1, 0, 1, 0]], [0.1, 0.3, 0.7]).round(3).tolist()
        [[0.667, 0.5, 1.0]]
    """
    inside, outside = counts_above(attention, allowed, thresholds)
    values = ratio(inside, inside + outside)
    if zero_if_either_is_zero:
        values[(inside == 0) | (outside == 0)] = 0.0
    return values


def choose_thresholds(values: ArrayLike, labels: ArrayLike, num_labels: int) -> NDArray[np.int64]:
    """Choose for each label the threshold of the highest mean over its pairs; of equal ones the first.

    Args:
        values: of validation pairs, `(N, T)`; NaN is left out.
        labels: label of each pair, `(N,)` int.
        num_labels: K.

    Returns:
        Index of the threshold, `(K,)`; -1 for a label without a pair that has a number.

    Raises:
        ShapeError: the two do not fit.
    """
    table, owner = np.asarray(values, np.float64), np.asarray(labels, np.int64)
    if table.ndim != 2 or owner.shape != table.shape[:1]:
        raise ShapeError(f"values must be (N, T) and labels (N,), got {table.shape} and {owner.shape}")
    chosen = np.full(num_labels, -1, np.int64)
    for label in range(num_labels):
        means = mean_defined(table[owner == label], axis=0)
        if not np.isnan(means).all():
            chosen[label] = np.nanargmax(means)
    return chosen


def organ_iou_scores(
    values: ArrayLike,
    labels: ArrayLike,
    patients: Sequence[str],
    classes: Sequence[str],
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    resampling: Resampling | None = None,
) -> OrganIoUScores:
    """Average pairs over all labels, each label and each group of labels.

    A mean is over pairs, so that a frequent label weighs more; its interval is by drawing patients with all their
    pairs.

    Args:
        values: `(N,)`; NaN is left out and counted.
        labels: index of the label of each pair, `(N,)` int.
        patients: patient of each pair, `N` names.
        classes: names of the K labels.
        groups: names of the labels in each group, by name of the group; a label may be in several.
        resampling: how often, from which seed, which level.

    Raises:
        ShapeError: the columns do not fit.
        DataError: there is no pair, or a group has a label that is not there.
    """
    row, owner = np.asarray(values, np.float64), np.asarray(labels, np.int64)
    if row.ndim != 1 or not row.shape == owner.shape == (len(patients),):
        raise ShapeError(f"values, labels and patients must be (N,), got {row.shape}, {owner.shape}, {len(patients)}")
    place = {name: index for index, name in enumerate(classes)}
    for group, names in (groups or {}).items():
        if strange := [name for name in names if name not in place]:
            raise DataError(f"group {group} has the label {strange[0]}, which is not one of {', '.join(classes)}")
    sets = [[*place.values()], *([index] for index in place.values())]
    sets += [[place[name] for name in names] for names in (groups or {}).values()]
    members = [np.isin(owner, each) for each in sets]
    table = np.stack([np.where(member, row, np.nan) for member in members], axis=1)
    means = patient_means(table, patients, resampling=resampling)
    overall, *others = (_score(mean, row[member]) for mean, member in zip(means, members, strict=True))
    per_label = dict(zip(classes, others, strict=False))
    return OrganIoUScores(overall, per_label, dict(zip(groups or {}, others[len(classes) :], strict=True)))


def _score(mean: Interval, values: Array) -> OrganIoUScore:
    known = values[~np.isnan(values)]
    spread = float(known.std(ddof=1)) if len(known) > 1 else float("nan")
    middle = float(np.median(known)) if len(known) else float("nan")
    return OrganIoUScore(mean, spread, middle, len(values) - len(known))


def _maps(attention: ArrayLike) -> Maps:
    maps = np.asarray(attention)
    maps = maps if maps.dtype in (np.float32, np.float64) else maps.astype(np.float64)
    if maps.ndim < 2:
        raise ShapeError(f"attention must be maps (N, *S), got {maps.shape}")
    if not np.isfinite(maps).all():
        raise DataError("attention holds NaN or infinity; look at the model and at the scan")
    return maps
