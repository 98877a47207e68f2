"""What every guidance is: a loss between what a model answers, where it looks, and where it should."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import ShapeError
from sightline.types import Guided


class Guidance(nn.Module, ABC):
    """A loss for anybody's training loop: `guidance(model, images, labels, regions).loss.backward()`."""

    @abstractmethod
    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify, explain and compare.

        Args:
            model: classifier from images to logits `(N, K)`.
            images: `(N, C, *S)`.
            labels: class index `(N,)` int64, or `(N, K)` float with NaN where unknown.
            regions: 1 where the model may look, `(N, 1 or K, *S)` float in [0, 1]; a map of NaN is unknown and costs
                nothing.

        Returns:
            Logits and loss on the graph, and the loss's parts for the log.

        Raises:
            ShapeError: an argument has another shape.
            DataError: a region leaves [0, 1].
        """


class Unguided(Guidance):
    """Classification alone, for the baseline of every comparison."""

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify; `regions` are not looked at. See `Guidance`."""
        logits = model(images)
        loss = classification_loss(logits, labels)
        return Guided(logits, loss, {"classification": loss.detach()})


def classification_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy for one label an image, binary cross-entropy for several; unknown labels weigh nothing.

    Args:
        logits: `(N, K)`.
        labels: `(N,)` int64, or `(N, K)` float in [0, 1] with NaN where unknown.

    Returns:
        Mean over the known labels, scalar; 0 when there are none.

    Raises:
        ShapeError: the labels fit neither form.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if labels.ndim == 1 and len(labels) == len(logits) and labels.dtype == torch.int64:
        return F.cross_entropy(logits, labels)
    if labels.shape != logits.shape:
        wanted = f"({len(logits)},) int64 or {tuple(logits.shape)} float"
        dtype = str(labels.dtype).removeprefix("torch.")
        raise ShapeError(f"labels must be {wanted}, got {tuple(labels.shape)} {dtype}")
    known = ~labels.isnan()
    losses = F.binary_cross_entropy_with_logits(logits, labels.nan_to_num().to(logits), reduction="none")
    return torch.where(known, losses, 0).sum() / known.sum().clamp(min=1)
