"""Checks of maps that are gradients, or made of them."""

from dataclasses import replace

import torch
from torch import Tensor

from sightline.attribution import (
    DeepLIFT,
    ExpectedGradients,
    Explainer,
    IntegratedGradients,
    Label,
    Saliency,
    SmoothGrad,
)

from .comparing import adds_up, change_of, close, map_of, sums
from .references import DECONVNET, GUIDED, Subject, with_relus


def saliency(explainer: Explainer, subject: Subject, found: Tensor) -> str:
    close(found, subject.gradient())
    return "gradient"


def gradient_times_input(explainer: Explainer, subject: Subject, found: Tensor) -> str:
    close(found, subject.images * subject.gradient())
    return "gradient"


def rectified(explainer: Explainer, subject: Subject, found: Tensor) -> str:
    rule = GUIDED if type(explainer).__name__ == "GuidedBackpropagation" else DECONVNET
    close(found, subject.gradient(model=with_relus(subject.model, rule)))
    has_relu = any(isinstance(module, torch.nn.ReLU) for module in subject.model.modules())
    assert has_relu == (not torch.allclose(found, subject.gradient()))
    return "ReLUs" if has_relu else "gradient"


def smooth_grad(explainer: SmoothGrad, subject: Subject, found: Tensor) -> str:
    images = subject.images
    axes = tuple(range(1, images.ndim))
    sigma = explainer.noise * (images.amax(axes, keepdim=True) - images.amin(axes, keepdim=True))
    noisy = [images + sigma * noise for noise in explainer.draw(images)]
    close(found, torch.stack([subject.gradient(copy) for copy in noisy]).mean(0))
    close(map_of(replace(explainer, noise=0.0, samples=1), subject), map_of(Saliency(), subject))
    return "noise"


def integrated_gradients(explainer: IntegratedGradients, subject: Subject, found: Tensor) -> str:
    images = subject.images
    alphas = [(i + 0.5) / explainer.steps for i in range(explainer.steps)]
    close(found, torch.stack([images * subject.gradient(alpha * images) for alpha in alphas]).mean(0))
    start = 0.999 * images  # ReLUs break up a short way into few pieces
    part = map_of(replace(explainer, baseline=start, steps=16), subject)
    adds_up(sums(part), change_of(subject, start), size=sums(part.abs()), within=1e-3)
    return "path"


def expected_gradients(explainer: ExpectedGradients, subject: Subject, found: Tensor) -> str:
    images, paths = subject.images, explainer.draw(subject.images)
    expected, change = torch.zeros_like(images), torch.zeros(len(images), dtype=images.dtype)
    for starts, alpha, weight in zip(paths.starts.T, paths.alphas, paths.weights, strict=True):
        way = images - paths.references[starts]
        expected += weight * way * subject.gradient(paths.references[starts] + alpha * way)
        change += weight * change_of(subject, paths.references[starts])
    close(found, expected)
    with torch.no_grad():
        gap = explainer(subject.model, images, Label(subject.labels)).gap
    adds_up(sums(found) + gap, change)
    return "path"


def deep_lift(explainer: DeepLIFT, subject: Subject, found: Tensor) -> str:
    images, change = subject.images, change_of(subject, explainer.baseline)
    if subject.architecture.rectified:
        adds_up(sums(found), change)
        return "difference"
    with torch.no_grad():
        gap = explainer(subject.model, images, Label(subject.labels)).gap
    adds_up(sums(found) + gap, change)
    near = images * (1 - 1e-7)
    close(map_of(replace(explainer, baseline=near), subject), (images - near) * subject.gradient(), within=1e-3)
    return "limit"
