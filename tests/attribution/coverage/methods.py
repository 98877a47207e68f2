"""The rows of the coverage table: every explainer, and every composite of LRP, with options that cost little."""

from collections.abc import Callable

import torch
from torch import Tensor

import sightline.attribution as exported
from sightline.attribution import (
    COMPOSITES,
    LIME,
    RISE,
    CompositeLRP,
    DeepLIFT,
    ExpectedGradients,
    Explainer,
    IntegratedGradients,
    Occlusion,
    ScoreCAM,
    SmoothGrad,
)

from .models import Architecture

_CHEAP: dict[str, Callable[[Architecture], Explainer]] = {
    "DeepLIFT": lambda of: DeepLIFT(baseline=of.images()[:1].flip(2)),  # a plain one leaves ties to max pooling
    "ExpectedGradients": lambda of: ExpectedGradients(of.images().flip(2), samples=4),
    "IntegratedGradients": lambda of: IntegratedGradients(steps=4),
    "LIME": lambda of: LIME(samples=8, segmentation=_blocks(of.sides)),
    "Occlusion": lambda of: Occlusion(window=tuple(side // 2 + 3 for side in of.sides)),
    "RISE": lambda of: RISE(masks=4, cells=2),
    "ScoreCAM": lambda of: ScoreCAM(layer=of.early, rectify=False),
    "SmoothGrad": lambda of: SmoothGrad(samples=3),
}


def _blocks(sides: tuple[int, ...]) -> Tensor:
    """Labels of the quarters of an image, or the eighths of a volume."""
    labels = torch.zeros(sides, dtype=torch.int64)
    for axis, side in enumerate(sides):
        late = torch.arange(side) >= side // 2
        labels = 2 * labels + late.view(-1, *[1] * (len(sides) - axis - 1))
    return labels


def composite_of(method: str) -> str | None:
    """Name of the composite that a row is about; None where it is about another explainer."""
    return method.removeprefix("CompositeLRP ") if method.startswith("CompositeLRP ") else None


def methods() -> list[str]:
    """The rows: every explainer that is exported, in one order, and the composites in place of `CompositeLRP`."""
    kinds = {kind.__name__ for kind in Explainer.__subclasses__() if getattr(exported, kind.__name__, None) is kind}
    return sorted(kinds - {"CompositeLRP"}, key=str.casefold) + [f"CompositeLRP {name}" for name in COMPOSITES]


def explainer_for(method: str, architecture: Architecture) -> Explainer:
    """The explainer of a row, for the images of a column."""
    composite = composite_of(method)
    if composite is not None:
        return CompositeLRP(composite)
    cheap = _CHEAP.get(method)
    explainer: Explainer = getattr(exported, method)() if cheap is None else cheap(architecture)
    return explainer
