"""Contrastive training: features of one class are drawn together, those of two classes apart."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.guidance.guidance import Guidance, GuidanceSettings, classification_loss
from sightline.guidance.model_parts import find_part, output_of
from sightline.guidance.triplet_loss import Reduction, triplet_loss, valid_triplets
from sightline.types import Guided

Embedding = Literal["pooled", "map_lastdim"]


@dataclass(frozen=True)
class TripletSettings(GuidanceSettings):
    """Options of contrastive training by triplets, in which the logits have no loss.

    Attributes:
        method: its name.
        part: dotted name of the part of the model that runs and answers with logits; null for the whole model.
        layer: dotted name, in that part, of the layer whose output is compared.
        embedding: what is compared of a feature map: `pooled`, its mean over the places, or `map_lastdim`, each line of
            it by itself, as the thesis's code does.
        margin: by which two classes are to be further apart than one, at least 0.
        p: of the norm that measures distances, at least 1.
        reduction: of the losses of all triplets of a batch, `mean` or, as in the thesis's code, `sum`.
    """

    method: Literal["triplet"] = "triplet"
    part: str | None = None
    layer: str = "features.denseblock4"
    embedding: Embedding = "pooled"
    margin: float = 1.0
    p: float = 2.0
    reduction: Reduction = "mean"

    def __post_init__(self) -> None:
        for name, choices in (("embedding", Embedding), ("reduction", Reduction)):
            if getattr(self, name) not in get_args(choices):
                raise SettingsError(
                    f"{name} must be one of {', '.join(get_args(choices))}, got {getattr(self, name)!r}"
                )
        if not self.margin >= 0:
            raise SettingsError(f"margin must be at least 0, got {self.margin}")
        if not self.p >= 1:
            raise SettingsError(f"p must be at least 1, got {self.p}")


class Triplet(Guidance):
    """The triplet loss at a layer of any model, over all triplets of the batch.

    It is the whole loss: the classification loss is measured, for the log, and trains nothing. A batch in which no two
    images share a class, or all do, costs 0.

    Args:
        settings: all options at once; or give them by name.
        **options: fields of `TripletSettings`.

    Reference:
        Qiu, Rivaz and Xiao 2024, arXiv:2403.16970, stage 1. The thesis (4.3.1) says neither what of the features is
        compared nor over which triplets; its code takes all of a batch, sums, and measures distances along the last
        axis of the maps alone. Here the maps are pooled and the mean is taken, by default.
    """

    kind = TripletSettings
    settings: TripletSettings

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Compare the features of the images; `regions` are not looked at. See `Guidance`.

        Raises:
            SettingsError: the model has no such part or layer, or the layer answers with no features.
        """
        s = self.settings
        part = find_part(model, s.part, option="part")
        with output_of(find_part(part, s.layer, option="layer")) as answers:
            logits = part(images)
        embeddings = _embeddings(answers, s)
        loss = triplet_loss(embeddings, labels, margin=s.margin, p=s.p, reduction=s.reduction)
        found = len(valid_triplets(labels)[0]) > 0
        parts = {
            "classification": classification_loss(logits.detach(), labels),
            "triplet": loss.detach() if found else loss.new_full((), torch.nan),
        }
        return Guided(logits, loss, parts)


def _embeddings(answers: list[Tensor], settings: TripletSettings) -> Tensor:
    """Take the last answer of a layer, of maps `(N, C, *S)`, tokens `(N, T, D)` or features `(N, D)`."""
    features = answers[-1] if answers else None
    if not isinstance(features, Tensor) or features.ndim < 2:
        came = "nothing" if features is None else type(features).__name__
        raise SettingsError(f"layer must answer with features (N, C, *S) or (N, D); {settings.layer} gave {came}")
    if settings.embedding == "map_lastdim" or features.ndim == 2:
        return features
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    return features.mean(1) if features.ndim == 3 else features.flatten(2).mean(2)
