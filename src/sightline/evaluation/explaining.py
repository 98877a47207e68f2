"""Explain the cases of a batch, measure where the relevance lies, and keep some maps."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sightline.attribution import upsample_to
from sightline.errors import DataError, ShapeError
from sightline.evaluation.maps import CaseMap
from sightline.metrics.localisation import region_share, relevance_share_inside
from sightline.types import Batch, Explanation

Explain = Callable[[nn.Module, Tensor, Any], Explanation]
"""An `Explainer` of `sightline.attribution`, or any function of model, images and target."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What the explanations of a batch say.

    Attributes:
        logits: scores of the explained images, `(M, K)`.
        explained: class explained, -1 where no single one was, `(M,)`.
        relevance_inside: share of the absolute relevance inside the region, NaN where unknown, `(M,)`.
        region_area: share of the image that the region covers, NaN where unknown, `(M,)`.
        maps: of all M cases, by case, if they were asked for.
    """

    logits: Tensor
    explained: NDArray[np.int64]
    relevance_inside: NDArray[np.float64]
    region_area: NDArray[np.float64]
    maps: dict[str, CaseMap]


class Spread:
    """Takes cases as they come, at most `limit` and no class more than its share, so that no answer decides the choice.

    Args:
        limit: most cases to take; None takes all.
        strata: number of classes.
    """

    def __init__(self, limit: int | None, strata: int) -> None:
        self._left = None if limit is None else [limit // strata + (k < limit % strata) for k in range(strata)]

    def take(self, strata: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Choose among cases of these classes, `(N,)`."""
        if self._left is None:
            return np.ones(len(strata), dtype=bool)
        taken = np.zeros(len(strata), dtype=bool)
        for row, stratum in enumerate(strata):
            if self._left[stratum]:
                self._left[stratum] -= 1
                taken[row] = True
        return taken


def rows_of(batch: Batch, rows: NDArray[np.bool_]) -> Batch:
    """Return the part of a batch where `rows`, `(N,)`, is true."""
    if rows.all():
        return batch
    index = torch.from_numpy(np.flatnonzero(rows)).to(batch.images.device)
    parts = {name: getattr(batch, name)[index] for name in ("images", "labels", "regions")}
    return replace(batch, **parts, cases=tuple(batch.cases[row] for row in index.tolist()))


def explain_batch(
    explainer: Explain,
    target: Any,  # noqa: ANN401 - what the explainer takes
    model: nn.Module,
    batch: Batch,
    *,
    keep: NDArray[np.bool_],
) -> Measured:
    """Explain every image of a batch and measure its map.

    Args:
        explainer: called with gradients off, as `sightline.attribution` explainers allow.
        target: what to explain; a plain function is asked with the batch first.
        model: in the mode it is to be explained in.
        batch: on the device of the model.
        keep: whose map to return, `(N,)`.

    Raises:
        ShapeError: the explainer drew several maps an image, or per-class regions meet no single class.
        DataError: a map is not finite.
    """
    wanted = target(batch) if inspect.isfunction(target) else target
    with torch.no_grad():
        explanation = explainer(model, batch.images, wanted)
        maps = explanation.attribution.detach()
        if maps.ndim != batch.images.ndim:
            raise ShapeError(
                f"evaluation measures one map an image, (N, C, *S), got {tuple(maps.shape)}; "
                "explain with Predicted(), Class(k) or Label(y)"
            )
        if maps.shape[2:] != batch.images.shape[2:]:
            maps = upsample_to(maps, tuple(batch.images.shape[2:]))
        finite = maps.flatten(1).isfinite().all(1).tolist()
        if not all(finite):
            raise DataError(f"the explanation of case {batch.cases[finite.index(False)]} is not finite; is its image?")
        chosen = explanation.target
        if chosen is not None and explanation.logits.shape[1] == 1:
            chosen = chosen + 1  # the only logit is that of the second class
        allowed = _regions(batch.regions.to(maps), chosen)
        if allowed.shape[2:] != maps.shape[2:]:  # of a volume, they may lie on a coarser grid
            allowed = F.interpolate(allowed, size=tuple(maps.shape[2:]), mode="nearest")
        classes = np.full(len(maps), -1, np.int64) if chosen is None else chosen.cpu().numpy().astype(np.int64)
        return Measured(
            explanation.logits.detach(),
            classes,
            _column(relevance_share_inside(maps, allowed)),
            _column(region_share(allowed)),
            {batch.cases[row]: _case_map(batch, maps, allowed, classes, int(row)) for row in np.flatnonzero(keep)},
        )


def _regions(regions: Tensor, classes: Tensor | None) -> Tensor:
    """Pick the region of the class explained, `(N, 1, *S)`."""
    if regions.shape[1] == 1:
        return regions
    if classes is None:
        raise ShapeError(f"regions per class, {tuple(regions.shape)}, need a target that is one class an image")
    return regions[torch.arange(len(regions), device=regions.device), classes.to(regions.device)][:, None]


def _column(values: Tensor) -> NDArray[np.float64]:
    column: NDArray[np.float64] = values.cpu().double().numpy()
    return column


def _case_map(batch: Batch, maps: Tensor, regions: Tensor, classes: NDArray[np.int64], row: int) -> CaseMap:
    image = batch.images[row].detach().float()
    image = image[:1] if bool((image == image[:1]).all()) else image
    return CaseMap(
        image.cpu().numpy().copy(),
        maps[row].sum(0).float().cpu().numpy(),
        regions[row].float().cpu().numpy().copy(),
        int(classes[row]),
    )
