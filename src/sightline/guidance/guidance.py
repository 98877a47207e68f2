"""What every guidance is: a loss between what a model answers, where it looks, and where it should."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.guidance.sharing import mean_over_processes
from sightline.plain import Family
from sightline.regions import known
from sightline.types import Batch, Guided

ClassificationLoss = Callable[[Tensor, Tensor], Tensor]  # of logits and labels


class GuidanceSettings(Family):
    """Options of one guidance; every kind is a frozen dataclass whose first field is `method`."""

    default = "isnet"


class Guidance(nn.Module, ABC):
    """A loss for anybody's training loop: `guidance(model, images, labels, regions).loss.backward()`.

    A subclass is made from its settings, or from their fields by name. Its parameters, where it has any, are trained
    with the model's; its `state_dict` holds all that a resumed training needs.

    Args:
        settings: all options at once; or give them by name.
        **options: fields of the settings.

    Attributes:
        kind: of its settings; None has none.

    Raises:
        SettingsError: settings and options were both given.
    """

    kind: ClassVar[type[GuidanceSettings] | None] = None

    def __init__(
        self,
        settings: GuidanceSettings | None = None,
        **options: Any,  # noqa: ANN401 - the fields of the settings
    ) -> None:
        super().__init__()
        if settings is not None and options:
            raise SettingsError(f"give settings or options by name, not both; got both, with {', '.join(options)}")
        self.settings: Any = self.kind(**options) if settings is None and self.kind is not None else settings
        self._classified_by: list[ClassificationLoss] = []

    @abstractmethod
    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify, explain and compare.

        Args:
            model: classifier from images to logits `(N, K)`.
            images: `(N, C, *S)`.
            labels: class index `(N,)` int64, or `(N, K)` float with NaN where unknown.
            regions: 1 where the model may look, `(N, 1 or K, *S)` float in [0, 1], or on a grid of its own with as many
                axes; a map of NaN is unknown and costs nothing.

        Returns:
            Logits and loss on the graph, and the loss's parts for the log.

        Raises:
            ShapeError: an argument has another shape.
            DataError: a region leaves [0, 1].
        """

    def classification_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of the answers: `classification_loss`, or within `classified_by` another."""
        loss = self._classified_by[-1] if self._classified_by else classification_loss
        return loss(logits, labels)

    @contextmanager
    def classified_by(self, loss: ClassificationLoss) -> Iterator[None]:
        """Put another loss in the place of $L_C$ while the block lasts, such as that of a training loop of others.

        Guidances for which classification is one summand among others ask it; those that have losses of their own for
        several heads, or none, do not.

        Args:
            loss: scalar on the graph, of logits `(N, K)` and the labels that were given.
        """
        self._classified_by.append(loss)
        try:
            yield
        finally:
            self._classified_by.pop()

    def prepare(self, model: nn.Module, batches: Iterable[Batch]) -> Mapping[str, float]:
        """Measure what has to be known before the first step; by default nothing.

        Args:
            model: as it is before training; comes back as it was.
            batches: of the training split, on the device of the model.

        Returns:
            What was measured, for the log.
        """
        return {}

    def finish(self, model: nn.Module, batches: Iterable[Batch]) -> Mapping[str, float]:
        """Settle what the trained model still needs, as a threshold; by default nothing.

        Args:
            model: with its final weights; may be changed.
            batches: of the validation split, on the device of the model.

        Returns:
            What was settled, for the log.
        """
        return {}


def make_guidance(settings: GuidanceSettings | None) -> Guidance:
    """Make the guidance that settings describe; None is `Unguided`."""
    if settings is None:
        return Unguided()
    kind = next(kind for kind in Guidance.__subclasses__() if kind.kind is type(settings))
    return kind(settings)


def check_regions(images: Tensor, regions: Tensor) -> Tensor:
    """Check the regions of a batch of images.

    Args:
        images: `(N, C, *S)`.
        regions: `(N, 1 or K, *S)` in [0, 1], NaN where unknown; on any grid with as many axes.

    Returns:
        Which maps are known, `(N, 1 or K)` bool.

    Raises:
        ShapeError: there is not one for each image, or they have another number of axes.
        DataError: they leave [0, 1].
    """
    if len(regions) != len(images) or regions.ndim != images.ndim:
        size = ", ".join(map(str, images.shape[2:]))
        raise ShapeError(f"regions must be ({len(images)}, 1 or K, {size}), got {tuple(regions.shape)}")
    if bool(((regions < 0) | (regions > 1)).any()):  # an unknown region is neither
        least, most = float(regions.nan_to_num().min()), float(regions.nan_to_num().max())
        raise DataError(f"regions must lie in [0, 1], got values from {least:g} to {most:g}; scale the masks")
    return known(regions)


class Unguided(Guidance):
    """Classification alone, for the baseline of every comparison."""

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify; `regions` are not looked at. See `Guidance`."""
        logits = model(images)
        loss = self.classification_loss(logits, labels)
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
        mean = F.cross_entropy(logits, labels)
        return mean * (len(labels) / mean_over_processes(len(labels)))
    if labels.shape != logits.shape:
        wanted = f"({len(logits)},) int64 or {tuple(logits.shape)} float"
        dtype = str(labels.dtype).removeprefix("torch.")
        raise ShapeError(f"labels must be {wanted}, got {tuple(labels.shape)} {dtype}")
    known = ~labels.isnan()
    losses = F.binary_cross_entropy_with_logits(logits, labels.nan_to_num().to(logits), reduction="none")
    count = mean_over_processes(known.sum())
    return torch.where(known, losses, 0).sum() / torch.where(count > 0, count, 1)
