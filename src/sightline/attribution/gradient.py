"""The plain gradient of a score, and its product with the image."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sightline.attribution.drawing import Drawing
from sightline.attribution.explainer import Explainer, recording, select, stack_maps
from sightline.attribution.interception import Interception
from sightline.attribution.targets import Target
from sightline.types import Explanation


def _gradient(model: nn.Module, images: Tensor, target: Target, *, times_input: bool) -> Explanation:
    keep_graph = torch.is_grad_enabled()
    with recording(images):
        drawing = Drawing()
        leaf = images.detach().requires_grad_()
        with Interception(leaf, drawing, strict=False):  # only batch norm answers: its samples must not mix
            logits = model(leaf)
        selection = select(target, logits, images)
        maps = []
        for m, scores in enumerate(selection.scores):
            retain = keep_graph or m + 1 < len(selection.scores)
            with drawing.pencil():
                (c,) = torch.autograd.grad(scores.sum(), leaf, create_graph=keep_graph, retain_graph=retain)
            maps.append(leaf.detach() * c if times_input else c)
        attribution = stack_maps(maps, selection)
    if not keep_graph:
        logits, attribution = logits.detach(), attribution.detach()
    return Explanation(logits, attribution, selection.classes)


@dataclass(frozen=True)
class Saliency(Explainer):
    """The gradient of the score by each pixel, signed.

    Reference:
        Simonyan et al. 2014, arXiv:1312.6034, section 3; the paper draws the absolute value.
    """

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; see `Explainer`."""
        return _gradient(model, images, target, times_input=False)


@dataclass(frozen=True)
class GradientTimesInput(Explainer):
    """Gradient x input; for a ReLU network without biases this is LRP-0 and sums to the score.

    Reference:
        Shrikumar et al. 2016, arXiv:1605.01713, section 3.
    """

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; see `Explainer`."""
        return _gradient(model, images, target, times_input=True)
