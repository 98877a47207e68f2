"""Maps of several labels of an image at once: in closed form where the head is one linear layer, else by gradients."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from sightline.attribution import GradCAM, HiResCAM, upsample_to
from sightline.attribution.targets import Selection, Target
from sightline.errors import ShapeError
from sightline.guidance import linear_attention
from sightline.metrics.organ_iou import Maps, normalised_attention

Attention = Literal["hirescam", "grad-cam"]


@dataclass(frozen=True)
class Classes(Target):
    """Some classes in every image: maps gain an axis, `(N, M, C, *S)`, and cost one backward pass each.

    Args:
        indices: classes, each from 0 to K - 1.
    """

    indices: tuple[int, ...]

    def select(self, logits: Tensor) -> Selection:
        """Return the logits of the classes."""
        chosen = list(self.indices)
        if not chosen or not 0 <= min(chosen) <= max(chosen) < logits.shape[1]:
            raise ShapeError(f"target classes must lie in 0 to {logits.shape[1] - 1}, got {chosen or 'none'}")
        return Selection(logits[:, chosen].T, every=True, again=lambda logits, rows: logits[:, chosen].T)


def attention_maps(
    model: nn.Module, images: Tensor, classes: Sequence[int], attention: Attention, *, layer: str | None = None
) -> Tensor:
    """Draw signed maps of some classes, without a graph.

    Args:
        model: any module from images to logits, in the mode it is to be explained in. Where it has
            `linear_answer(images)` and no layer is named, its maps cost no backward pass.
        images: `(N, C, *S)`, on the device of the model.
        classes: M of the K classes.
        attention: which map; neither is rectified.
        layer: where the maps are drawn, as in `GradCAM`.

    Returns:
        `(N, M, *G)` at the resolution of the layer.
    """
    answer = getattr(model, "linear_answer", None)
    with torch.no_grad():
        if answer is not None and layer is None:
            answered = answer(images)
            chosen = replace(answered, weights=answered.weights[list(classes)])
            return linear_attention(chosen, "grad_cam" if attention == "grad-cam" else "hirescam")
        explainer = (HiResCAM if attention == "hirescam" else GradCAM)(layer, rectify=False)
        maps: Tensor = explainer(model, images, Classes(tuple(classes))).attribution[:, :, 0]
        return maps


def attention_on_grid(maps: Tensor, grid: Sequence[int]) -> Maps:
    """Rectify maps, bring them to another grid by linear interpolation, and stretch each to [0, 1].

    Args:
        maps: signed, `(P, *G)`, without a graph and on the CPU.
        grid: the grid wanted, over the same space.

    Returns:
        `(P, *grid)`; see `normalised_attention`.

    Raises:
        DataError: a map holds NaN or infinity.
    """
    positive = maps.relu()
    if tuple(positive.shape[1:]) != tuple(grid):
        positive = upsample_to(positive[:, None], tuple(grid))[:, 0]
    return normalised_attention(positive.numpy())
