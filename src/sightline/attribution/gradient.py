"""The plain gradient of a score, and its product with the image."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sightline.attribution.drawing import Drawing
from sightline.attribution.explainer import Explainer, backward_passes, recording, select, stack_maps
from sightline.attribution.interception import Interception
from sightline.attribution.targets import Target
from sightline.types import Explanation


def _gradient(model: nn.Module, images: Tensor, target: Target, *, times_input: bool) -> Explanation:
    keep_graph = torch.is_grad_enabled()
    with recording(images):
        drawing = Drawing()
        leaf = images.detach().requires_grad_()
        given = leaf.clone()  # the model may write to it
        with Interception(given, drawing, strict=False):  # only batch norm answers: its samples must not mix
            logits = model(given)
        selection = select(target, logits, images)
        cs = [c for (c,) in backward_passes(selection, [leaf], drawing, create_graph=keep_graph) if c is not None]
        attribution = stack_maps([leaf.detach() * c if times_input else c for c in cs], selection)
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
