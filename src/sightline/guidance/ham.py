"""HAM: a classifier of "anything abnormal" and one of each abnormality, whose maps are held together."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError
from sightline.guidance.guidance import (
    Guidance,
    GuidanceSettings,
    check_regions,
    classification_loss,
)
from sightline.guidance.ham_losses import adaptive_squared_error, attention_bound, attention_union
from sightline.guidance.sharing import found
from sightline.models.ham import HAM, HAMAnswer, refine_maps
from sightline.regions import known
from sightline.types import Guided


@dataclass(frozen=True)
class HierarchicalAttentionSettings(GuidanceSettings):
    """Options of HAM, for the model `ham_resnet50`.

    Attributes:
        method: its name.
        anomaly_weight: of the classification of "anything abnormal".
        supervision_weight: of the distance of the refined maps to the regions of their classes.
        bound_weight: of what the maps of the classes show outside the map of "anything abnormal".
        union_weight: of what the map of "anything abnormal" shows outside those of the classes.
        threshold: value of an activation map above which it counts in these two, 0.75 in the authors' code and 0.4 in
            the ISNet paper's comparison.
    """

    method: Literal["ham"] = "ham"
    anomaly_weight: float = 0.01
    supervision_weight: float = 0.5
    bound_weight: float = 0.001
    union_weight: float = 0.001
    threshold: float = 0.75

    def __post_init__(self) -> None:
        for name in ("anomaly_weight", "supervision_weight", "bound_weight", "union_weight"):
            if not getattr(self, name) >= 0:
                raise SettingsError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not self.threshold >= 0:
            raise SettingsError(f"threshold must be at least 0, got {self.threshold}")


class HierarchicalAttention(Guidance):
    r"""The HAM loss: $L_C + 0.01 L_A + 0.5 L_S + 0.001 L_B + 0.001 L_U$.

    $L_C$ and $L_A$ are binary cross-entropies of the abnormal classes and of "anything abnormal", also where an image
    has one label. $L_S$ compares the refined maps of present classes with their regions, where these are known; $L_B$
    and $L_U$ hold the maps of present classes and that of "anything abnormal" together. None of the three moves the
    weights of the heads.

    An image is abnormal if one of its abnormal classes is; where none is and some are unknown, it is the opposite of
    the model's normal class, or unknown.

    Args:
        settings: all options at once; or give them by name.
        **options: fields of `HierarchicalAttentionSettings`.

    Reference:
        Ouyang et al. 2021, doi:10.1109/TMI.2020.3042773; weights as there. The normal class after Bassi et al. 2024,
        doi:10.1038/s41467-023-44371-z, appendix B.
    """

    kind = HierarchicalAttentionSettings
    settings: HierarchicalAttentionSettings

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify in two steps, and compare the maps with each other and with the regions. See `Guidance`.

        Raises:
            SettingsError: the model is no `HAM`.
        """
        if not isinstance(model, HAM):
            raise SettingsError(f"guidance ham needs the model ham_resnet50, got {type(model).__name__}")
        check_regions(images, regions)
        answer = model.answer(images)
        labels = each_class(labels, answer.logits.shape[1])
        abnormal = model.abnormal(labels.shape[1])
        classification = classification_loss(answer.classes, labels[:, abnormal])
        anomaly = classification_loss(answer.anomaly, any_abnormal(labels, model.normal_class)[:, None])
        losses = {"classification": classification, "anomaly": anomaly}
        with torch.autocast(images.device.type, enabled=False):  # sums over many pixels need every digit
            losses |= self.map_losses(answer, labels[:, abnormal], _of_classes(regions, abnormal, labels.shape[1]))
        weights = self._weights()
        loss = torch.stack([weights[name] * part for name, part in losses.items()]).sum()
        parts = {name: losses.get(name, loss.new_full((), torch.nan)).detach() for name in weights}
        return Guided(answer.logits, loss, parts)

    def _weights(self) -> dict[str, float]:
        s = self.settings
        return {
            "classification": 1.0,
            "anomaly": s.anomaly_weight,
            "supervision": s.supervision_weight,
            "bound": s.bound_weight,
            "union": s.union_weight,
        }

    def map_losses(self, answer: HAMAnswer, labels: Tensor, regions: Tensor) -> dict[str, Tensor]:
        """Losses of the maps, `supervision`, `bound` and `union`, on the graph; those that have something to compare.

        Args:
            answer: with maps of A abnormal classes.
            labels: `(N, A)`, NaN where unknown.
            regions: `(N, A, *S)`, NaN where unknown.
        """
        threshold = self.settings.threshold
        dtype = torch.promote_types(answer.class_maps.dtype, torch.float32)
        class_maps, anomaly_map = answer.class_maps.to(dtype), answer.anomaly_map.to(dtype)
        present = labels > 0.5
        annotated = present & known(regions)
        losses: dict[str, Tensor] = {}
        if found(annotated):
            refined = refine_maps(class_maps, tuple(regions.shape[2:]))
            losses["supervision"] = adaptive_squared_error(refined, regions, annotated)
        if found(present):
            losses["bound"] = attention_bound(class_maps, anomaly_map, present, threshold=threshold)
            losses["union"] = attention_union(class_maps, anomaly_map, present, threshold=threshold)
        return losses


def each_class(labels: Tensor, num_classes: int) -> Tensor:
    """Write labels `(N,)` int64 as `(N, K)` float of zeros and a one; those that are `(N, K)` stay.

    Raises:
        ShapeError: the labels fit neither form.
    """
    if labels.ndim == 1 and labels.dtype == torch.int64:
        return F.one_hot(labels, num_classes).to(torch.float32)
    if labels.ndim != 2 or labels.shape[1] != num_classes:
        wanted = f"(N,) int64 or (N, {num_classes}) float"
        raise ShapeError(f"labels must be {wanted}, got {tuple(labels.shape)} {labels.dtype}")
    return labels


def any_abnormal(labels: Tensor, normal_class: int | None) -> Tensor:
    """Tell whether images show anything abnormal.

    Args:
        labels: `(N, K)` in [0, 1], NaN where unknown.
        normal_class: index of the class that means "nothing abnormal", or None.

    Returns:
        Greatest label of an abnormal class, `(N,)`. Where none is over 0.5 and some are unknown, the opposite of the
        normal class's; NaN if that is unknown too.
    """
    abnormal = [index for index in range(labels.shape[1]) if index != normal_class]
    found = labels[:, abnormal].nan_to_num().amax(1)
    otherwise = torch.full_like(found, torch.nan) if normal_class is None else 1 - labels[:, normal_class]
    return torch.where(labels[:, abnormal].isnan().any(1) & (found <= 0.5), otherwise, found)


def _of_classes(regions: Tensor, classes: list[int], num_classes: int) -> Tensor:
    """Regions of some classes, `(N, A, *S)`, of one for all or one for each."""
    if regions.shape[1] not in (1, num_classes):
        raise ShapeError(
            f"regions must be one for all or one for each of {num_classes} classes, got {regions.shape[1]}"
        )
    return regions.expand(-1, num_classes, *regions.shape[2:])[:, classes]
