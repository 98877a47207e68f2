"""The gradient of a score, plain, times the image, and with ReLUs that let only some of it pass."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sightline.attribution.drawing import Drawing, Rectifier
from sightline.attribution.explainer import Explainer, backward_passes, classify, recording, select, stack_maps
from sightline.attribution.interception import Interception
from sightline.attribution.targets import Target
from sightline.types import Explanation


def _gradient(
    model: nn.Module,
    images: Tensor,
    target: Target,
    *,
    times_input: bool = False,
    rectifier: Rectifier = "gradient",
) -> Explanation:
    keep_graph = torch.is_grad_enabled()
    with recording(images):
        drawing = Drawing(rectifier=rectifier, kept=keep_graph)
        leaf = images.detach().requires_grad_()
        given = leaf.clone()  # the model may write to it
        with Interception(given, drawing, strict=False):  # only batch norm answers: its samples must not mix
            logits = classify(model, given)
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
        return _gradient(model, images, target)


@dataclass(frozen=True)
class GradientTimesInput(Explainer):
    """Gradient x input; for a ReLU network without biases this is LRP-0 and sums to the score.

    Reference:
        Shrikumar et al. 2016, arXiv:1605.01713, section 3.
    """

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; see `Explainer`."""
        return _gradient(model, images, target, times_input=True)


@dataclass(frozen=True)
class DeconvNet(Explainer):
    """The gradient, but a ReLU lets pass what is positive, wherever its activation was.

    Much like an edge detector: the map hardly changes when the weights are replaced by random ones
    (Nie et al. 2018, arXiv:1805.07039; Adebayo et al. 2018, arXiv:1810.03292). Do not judge a classifier by it.
    Activations other than ReLU pass their gradient.

    Reference:
        Zeiler and Fergus 2014, arXiv:1311.2901, section 2.1.
    """

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; see `Explainer`."""
        return _gradient(model, images, target, rectifier="deconvnet")


@dataclass(frozen=True)
class GuidedBackpropagation(Explainer):
    """The gradient, but a ReLU lets pass what is positive where its activation is.

    As `DeconvNet`, it hardly depends on the weights above the first layers; do not judge a classifier by it.
    Activations other than ReLU pass their gradient.

    Reference:
        Springenberg et al. 2015, arXiv:1412.6806, section 3.4.
    """

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; see `Explainer`."""
        return _gradient(model, images, target, rectifier="guided")
