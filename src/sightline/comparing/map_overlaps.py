"""IoU of HiResCAM and Grad-CAM with the outlines of what is in an image, pair by pair of image and class."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sightline.evaluation.attention_maps import Attention, attention_maps, attention_on_grid
from sightline.metrics.averages import Array, ratio
from sightline.metrics.organ_iou import ORGAN_IOU_THRESHOLDS, choose_thresholds, counts_above
from sightline.regions import known
from sightline.types import Batch

MAPS: tuple[Attention, ...] = get_args(Attention)


@dataclass(frozen=True, eq=False)
class Overlaps:
    """IoU of both maps, pair by pair; a pair is an image and a class that is in it and outlined.

    Attributes:
        cases: image of each pair, P names.
        labels: index of the class of each pair, `(P,)` int.
        numbers: classes that are in the image of each pair, `(P,)` int.
        values: of each map, `(P, T)` at all thresholds, or `(P,)` at the chosen one; NaN where the outline has no
            pixel, or no threshold could be chosen.
    """

    cases: tuple[str, ...]
    labels: NDArray[np.int64]
    numbers: NDArray[np.int64]
    values: Mapping[str, Array]


def measure_maps(
    model: nn.Module,
    images: Iterable[Batch],
    layer: str | None,
    *,
    progress: Callable[[int, int | None], None] | None = None,
) -> Overlaps:
    """Draw both maps of every class that is in an image and outlined, and take their IoU at all thresholds.

    Args:
        model: in evaluation mode.
        images: with labels `(N, K)` and outlines as regions `(N, K, H, W)`.
        layer: where the maps are drawn.
        progress: called after each batch with how many are done, and None.
    """
    device = next(model.parameters()).device
    parts: list[Overlaps] = []
    for done, batch in enumerate(images, start=1):
        present = (batch.labels == 1) & known(batch.regions)
        drawn = present.any(0).nonzero()[:, 0]
        rows, columns = present[:, drawn].nonzero().T
        if len(drawn):
            outlines = batch.regions[rows, drawn[columns]]
            values: dict[str, Array] = {}
            for name in MAPS:
                maps = attention_maps(model, batch.images.to(device), drawn.tolist(), name, layer=layer)
                heat = attention_on_grid(maps.float().cpu()[rows, columns], outlines.shape[1:])
                values[name] = _iou(heat, outlines.numpy())
            numbers = (batch.labels == 1).sum(1)[rows]
            cases = tuple(batch.cases[row] for row in rows.tolist())
            parts.append(Overlaps(cases, drawn[columns].numpy(), numbers.numpy(), values))
        if progress is not None:
            progress(done, None)
    return Overlaps(
        tuple(case for part in parts for case in part.cases),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.numbers for part in parts]),
        {name: np.concatenate([part.values[name] for part in parts]) for name in MAPS},
    )


def cut_at_best(chosen_on: Overlaps, tested: Overlaps, num_classes: int) -> tuple[dict[str, Array], Overlaps]:
    """Choose the best threshold of each map and class on some pairs, and take the values of others there.

    Returns:
        Thresholds `(K,)` of each map, NaN for a class without a pair to choose by; and the values `(P,)`, NaN there.
    """
    thresholds: dict[str, Array] = {}
    values: dict[str, Array] = {}
    for name in MAPS:
        best = choose_thresholds(chosen_on.values[name], chosen_on.labels, num_classes)
        thresholds[name] = np.where(best < 0, np.nan, np.asarray(ORGAN_IOU_THRESHOLDS)[best])
        own = best[tested.labels]
        values[name] = np.where(own < 0, np.nan, tested.values[name][np.arange(len(own)), own])
    return thresholds, replace(tested, values=values)


def _iou(heat: NDArray[np.floating[Any]], outlines: NDArray[np.floating[Any]]) -> Array:
    """IoU at all thresholds, `(P, T)`; NaN where an outline has no pixel."""
    inside, outside = counts_above(heat, outlines)
    size = outlines.reshape(len(outlines), -1).sum(1, dtype=np.float64)[:, None]
    values = ratio(inside, outside + size)
    values[size[:, 0] == 0] = np.nan
    return values
