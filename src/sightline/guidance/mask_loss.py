"""The mask loss: HiResCAM, known in the forward pass, must not speak for a class outside its allowed region."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from sightline.attribution import EveryClass, GradCAM, HiResCAM
from sightline.errors import SettingsError
from sightline.guidance.forbidden_attention import (
    AttentionMap,
    Penalty,
    Reduction,
    forbidden_attention,
    linear_attention,
)
from sightline.guidance.guidance import Guidance, GuidanceSettings, check_regions
from sightline.guidance.sharing import found, mean_over_processes
from sightline.types import Guided


@dataclass(frozen=True)
class MaskLossSettings(GuidanceSettings):
    """Options of the mask loss, with the paper's name in brackets.

    Attributes:
        method: its name.
        weight: of the mask loss beside the classification loss, [lambda], at least 0.
        map: the attention: `hirescam`, or `grad_cam`, whose weights are means over the places.
        penalty: `log` of the chance that the attention is away, or the norm `l2`.
        reduction: over classes and places: `mean`, or `sum`, for which the weight should be that much smaller.
        layer: dotted name of the layer of the attention, as in `model.named_modules()`; null takes the last features:
            in closed form of a model with one fully connected layer behind them, else as found by the explanation.
        scaled: keep the scale of the closed form, 1 / slices of AxialNet, by which the map sums to the logit. Without a
            closed form the map always has it.
    """

    method: Literal["mask_loss"] = "mask_loss"
    weight: float = 1 / 3
    map: AttentionMap = "hirescam"
    penalty: Penalty = "log"
    reduction: Reduction = "mean"
    layer: str | None = None
    scaled: bool = False

    def __post_init__(self) -> None:
        if not self.weight >= 0:
            raise SettingsError(f"weight must be at least 0, got {self.weight}")
        for name, choices in (("map", AttentionMap), ("penalty", Penalty), ("reduction", Reduction)):
            if getattr(self, name) not in get_args(choices):
                raise SettingsError(
                    f"{name} must be one of {', '.join(get_args(choices))}, got {getattr(self, name)!r}"
                )


class MaskLoss(Guidance):
    r"""The mask loss: $L_C + \lambda L_{mask}$, of the attention of every class where it is not allowed.

    $$L_{mask} = -\frac{\sum_i (1 - G_i) \ln (1 - \sigma(a_i))}{\sum_i (1 - G_i)}$$

    with $i$ over classes and places, the mean being over the images with a known region. A class that is absent should
    have a region of zeros: nothing may speak for it anywhere. Gradients reach the features and the weights that read
    them.

    A model that has `linear_answer` needs no backward pass for its map. Of any other the map is drawn by the engine,
    with one short backward pass a class from the logits to the features.

    Args:
        settings: all options at once; or give them by name.
        **options: fields of `MaskLossSettings`.

    Reference:
        Draelos and Carin 2020, arXiv:2011.08891, eq. 10 to 12; logistic function, mean and attention without 1 / H as
        in the authors' code. See `forbidden_attention`.
    """

    kind = MaskLossSettings
    settings: MaskLossSettings

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify, and penalise attention outside the regions. See `Guidance`."""
        seen = check_regions(images, regions).any(1)
        if not found(seen):
            logits = model(images)
            loss = self.classification_loss(logits, labels)
            return Guided(logits, loss, {"classification": loss.detach(), "mask": loss.new_full((), torch.nan)})
        s = self.settings
        logits, attention = self.attention(model, images)
        classification = self.classification_loss(logits, labels)
        with torch.autocast(images.device.type, enabled=False):  # sums over many places need every digit
            losses = forbidden_attention(attention, regions, penalty=s.penalty, reduction=s.reduction)
        mask = losses[seen].sum() / mean_over_processes(seen.sum())
        loss = classification + s.weight * mask
        return Guided(logits, loss, {"classification": classification.detach(), "mask": mask.detach()})

    def attention(self, model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits `(N, K)` and the attention of each class, `(N, K, *G)`, both on the graph."""
        s = self.settings
        answer = getattr(model, "linear_answer", None)
        if answer is not None and s.layer is None:
            answered = answer(images)
            return answered.logits, linear_attention(answered, s.map, scaled=s.scaled)
        explain = HiResCAM(layer=s.layer) if s.map == "hirescam" else GradCAM(layer=s.layer, rectify=False)
        explanation = explain(model, images, EveryClass())
        return explanation.logits, explanation.attribution.squeeze(2)
