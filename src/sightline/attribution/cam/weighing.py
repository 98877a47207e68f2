"""Class activation maps that weigh feature maps by the gradient of the score there."""

from collections.abc import Callable
from math import prod
from typing import Protocol

import torch
from torch import Tensor, nn

from sightline.attribution.cam.features import FeatureMap, Where, capture
from sightline.attribution.cam.upsampling import upsample_to_largest
from sightline.attribution.drawing import Drawing
from sightline.attribution.explainer import backward_passes, recording, stack_maps
from sightline.attribution.targets import Target
from sightline.errors import SightlineError
from sightline.types import Explanation


class Options(Where, Protocol):
    """Options of a map that is weighed by gradients."""

    @property
    def rectify(self) -> bool:
        """Whether to drop what speaks against the class."""


def explain_by_weighing(
    options: Options,
    model: nn.Module,
    images: Tensor,
    target: Target,
    weigh: Callable[[FeatureMap, Tensor], Tensor],
) -> Explanation:
    """Classify and explain in one forward pass and one backward pass a map.

    Args:
        options: of the explainer.
        model: any module from images to logits; comes back as it was.
        images: `(N, C, *S)`; not written to.
        target: what to explain.
        weigh: from a feature map and the gradient there, `(N, C, *s)`, to its weights, broadcastable to it.

    Returns:
        Logits and an attribution of one channel, `(N, 1, *s)` or `(N, K, 1, *s)`.
    """
    return _explain(options, model, images, target, weigh, pixels=False)[0]


def explain_by_weighing_and_by_pixels(
    options: Options,
    model: nn.Module,
    images: Tensor,
    target: Target,
    weigh: Callable[[FeatureMap, Tensor], Tensor],
) -> tuple[Explanation, Explanation]:
    """Classify and explain as `explain_by_weighing`, and by gradient x input, for the same passes.

    Returns:
        Both, with the same logits; the second attribution is `(N, C, *S)` or `(N, K, C, *S)`.
    """
    by_weighing, *by_pixels = _explain(options, model, images, target, weigh, pixels=True)
    return by_weighing, by_pixels[0]


def _explain(
    options: Options,
    model: nn.Module,
    images: Tensor,
    target: Target,
    weigh: Callable[[FeatureMap, Tensor], Tensor],
    *,
    pixels: bool,
) -> list[Explanation]:
    keep_graph = torch.is_grad_enabled()
    with recording(images):
        drawing = Drawing(kept=keep_graph)
        logits, selection, features, leaf = capture(model, images, target, options, drawing)

        def draw(gradients: tuple[Tensor | None, ...]) -> Tensor:
            maps = []
            for feature_map, gradient in zip(features, gradients, strict=True):
                if gradient is None:
                    raise SightlineError(f"the logits do not depend on {feature_map.name}; name another one")
                weights = weigh(feature_map, feature_map.layout.in_space(gradient))
                cam = (weights * feature_map.in_space).sum(1, keepdim=True)
                maps.append(cam.relu() if options.rectify else cam)
            return _average(maps)

        at = [*(feature_map.tensor for feature_map in features), *([leaf] if pixels else [])]
        passes = list(backward_passes(selection, at, drawing, create_graph=keep_graph))
        found = [stack_maps([draw(gradients[: len(features)]) for gradients in passes], selection)]
        if pixels:
            found.append(stack_maps([leaf.detach() * _known(gradients[-1]) for gradients in passes], selection))
    if not keep_graph:
        logits, found = logits.detach(), [attribution.detach() for attribution in found]
    return [Explanation(logits, attribution, selection.classes) for attribution in found]


def _known(gradient: Tensor | None) -> Tensor:
    if gradient is None:
        raise SightlineError("the logits do not depend on the images; explain a model whose features are not detached")
    return gradient


def _average(maps: list[Tensor]) -> Tensor:
    """Average maps at the largest of their resolutions, where each keeps its sum."""
    large = upsample_to_largest(maps)
    ratios = [prod(old.shape[2:]) / prod(new.shape[2:]) for old, new in zip(maps, large, strict=True)]
    return torch.stack([new * ratio for new, ratio in zip(large, ratios, strict=True)]).mean(0)
