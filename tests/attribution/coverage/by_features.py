"""Checks of maps that weigh feature maps, or follow attention."""

from collections.abc import Callable
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.attribution import AttentionRollout, Explainer

from .comparing import close
from .references import GUIDED, Subject, with_relus


def cam(explainer: Explainer, subject: Subject, found: Tensor) -> str:
    architecture = subject.architecture
    assert architecture.head is not None, "a head of several layers was taken for a linear one"
    features, _ = subject.features(architecture.last)
    weights = subject.model.get_submodule(architecture.head).weight[subject.labels].detach()
    close(found, _weighed(weights.view(*weights.shape, *[1] * (features.ndim - 2)), features))
    return "formula"


def _weighed(weights: Tensor, features: Tensor) -> Tensor:
    return (weights * features).sum(1, keepdim=True)


def _mean(maps: Tensor) -> Tensor:
    return maps.flatten(2).mean(2).view(*maps.shape[:2], *[1] * (maps.ndim - 2))


def _grad_cam(a: Tensor, g: Tensor) -> Tensor:
    return _weighed(_mean(g), a).clamp(min=0)


def _grad_cam_plus_plus(a: Tensor, g: Tensor) -> Tensor:
    places = a[0, 0].numel()
    denominator = 2 * g**2 + g**3 * _mean(a) * places
    alpha = torch.where(g == 0, 0, g**2 / torch.where(g == 0, 1, denominator))
    return _weighed(_mean(alpha * g.clamp(min=0)) * places, a).clamp(min=0)


def _xgrad_cam(a: Tensor, g: Tensor) -> Tensor:
    silent = _mean(a) == 0
    return _weighed(_mean(g * a) / torch.where(silent, 1, _mean(a)) * ~silent, a).clamp(min=0)


OF_FEATURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "GradCAM": _grad_cam,
    "GradCAMPlusPlus": _grad_cam_plus_plus,
    "HiResCAM": lambda a, g: _weighed(g, a),
    "LayerCAM": lambda a, g: _weighed(g.clamp(min=0), a).clamp(min=0),
    "XGradCAM": _xgrad_cam,
}


def of_features(explainer: Explainer, subject: Subject, found: Tensor) -> str:
    features, gradient = subject.features(subject.architecture.last)
    close(found, OF_FEATURES[type(explainer).__name__](features, gradient))
    return "formula"


def attention_rollout(explainer: AttentionRollout, subject: Subject, found: Tensor) -> str:
    layers = [matrices.mean(1) for matrices, _ in subject.attention()]
    one = torch.eye(layers[0].shape[1], dtype=found.dtype)
    shares = [explainer.residual * one + (1 - explainer.residual) * heads for heads in layers]
    close(found, _of_class_token(reduce(lambda rolled, layer: layer @ rolled, shares), found))
    return "attention"


def gradient_attention_rollout(explainer: Explainer, subject: Subject, found: Tensor) -> str:
    layers = [(matrices * gradient).clamp(min=0).mean(1) for matrices, gradient in subject.attention()]
    one = torch.eye(layers[0].shape[1], dtype=found.dtype)
    close(found, _of_class_token(reduce(lambda rolled, layer: (one + layer) @ rolled, layers, one), found))
    return "attention"


def _of_class_token(rolled: Tensor, like: Tensor) -> Tensor:
    """What the class token has from each place, of matrices `(N, T, T)` whose first token it is."""
    return rolled[:, 0, 1:].view_as(like)


def guided_grad_cam(explainer: Explainer, subject: Subject, found: Tensor) -> str:
    coarse = _enlarged(_grad_cam(*subject.features(subject.architecture.last)), subject)
    close(found, coarse * subject.gradient(model=with_relus(subject.model, GUIDED)))
    return "product"


def _enlarged(maps: Tensor, subject: Subject) -> Tensor:
    sides = subject.architecture.sides
    return F.interpolate(maps, size=sides, mode="trilinear" if len(sides) == 3 else "bilinear", align_corners=False)


def score_cam(explainer: Explainer, subject: Subject, found: Tensor) -> str:
    features, _ = subject.features(subject.architecture.early)
    masks, places = _enlarged(features, subject), tuple(range(2, features.ndim))
    masks = masks - masks.amin(places, keepdim=True)
    flat = masks.amax(places, keepdim=True) < 1e-12
    masks = masks / masks.amax(places, keepdim=True).masked_fill(flat, 1) * ~flat
    with torch.no_grad():
        scores = [subject.scores(subject.images * masks[:, f, None]) for f in range(masks.shape[1])]
    weights = torch.stack(scores, 1).softmax(1)  # (N, F)
    close(found, _weighed(weights.view(*weights.shape, *[1] * len(places)), features))
    return "formula"
