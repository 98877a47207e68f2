"""Checks of maps made from the scores of changed images."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.attribution import LIME, RISE, Explainer, Label, Occlusion

from .comparing import close
from .references import Subject, seen_by


def occlusion(explainer: Occlusion, subject: Subject, found: Tensor) -> str:
    sides, windows = subject.architecture.sides, explainer.window
    steps = [width // 2 for width in windows]
    corners = [
        range(0, max(1, side - width + step), step) for side, width, step in zip(sides, windows, steps, strict=True)
    ]
    drops, covers = torch.zeros_like(found), torch.zeros_like(found)
    for corner in itertools.product(*corners):
        hidden = (slice(None), slice(None), *(slice(at, at + width) for at, width in zip(corner, windows, strict=True)))
        changed = subject.images.clone()
        changed[hidden] = 0
        with torch.no_grad():
            drop = subject.scores(subject.images) - subject.scores(changed)
        drops[hidden] += drop.view(-1, *[1] * (drops.ndim - 1))
        covers[hidden] += 1
    close(found, drops / covers)
    return "changes"


def _copies(explainer: Explainer, subject: Subject) -> tuple[Tensor, Tensor, Tensor]:
    """Share of each pixel left in the changed copies of the first image `(B, *S)`, their scores `(B,)`, and its map."""
    image, label = subject.images[:1], subject.labels[:1]
    seen, found = seen_by(subject.model, lambda: explainer(subject.model, image, Label(label)).attribution.detach())
    copies = seen[1:]  # the first one is the image itself
    shares = copies / image
    assert torch.allclose(shares, shares[:, :1].expand_as(shares)), "channels are changed differently"
    with torch.no_grad():
        return shares[:, 0], subject.model(copies)[:, label[0]], found[0, 0]


def rise(explainer: RISE, subject: Subject, found: Tensor) -> str:
    shares, scores, alone = _copies(explainer, subject)
    assert len(shares) == explainer.masks
    assert 0 <= shares.min() < shares.max() <= 1 + 1e-12
    expected = torch.tensordot(scores, shares, 1) / (explainer.probability * explainer.masks)
    close(alone, expected)
    close(found[0, 0], expected)
    return "changes"


def lime(explainer: LIME, subject: Subject, found: Tensor) -> str:
    shares, scores, alone = _copies(explainer, subject)
    labels = explainer.segmentation
    shown = torch.stack([shares[:, labels == each].mean(1) for each in labels.unique()], 1)  # (B, segments)
    assert len(shown) == explainer.samples
    assert ((shown == 0) | (shown == 1)).all()
    distance = 1 - F.cosine_similarity(shown, torch.ones_like(shown))
    root = (-(distance**2) / (4 * explainer.kernel_width**2)).exp()[:, None]  # of the weights
    ones, nothing = torch.ones_like(root), torch.zeros(shown.shape[1], 1, dtype=shown.dtype)
    penalty = torch.cat([explainer.ridge**0.5 * torch.eye(shown.shape[1], dtype=shown.dtype), nothing], 1)
    system = torch.cat([root * torch.cat([shown, ones], 1), penalty])
    coefficients = torch.linalg.lstsq(system, torch.cat([root * scores[:, None], nothing])).solution[:-1, 0]
    close(alone, coefficients[labels])
    close(found[0, 0], coefficients[labels])
    return "changes"
