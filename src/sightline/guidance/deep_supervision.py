"""Deep supervision: a classifier that predicts more than once is asked about each prediction."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.guidance.guidance import Guidance, GuidanceSettings, classification_loss
from sightline.types import Guided


class Predictions(Protocol):
    """What a classifier that predicts more than once answers."""

    @property
    def logits(self) -> Tensor:
        """Scores of the decision, `(N, K)`."""
        ...

    @property
    def predictions(self) -> tuple[Tensor, ...]:
        """Scores that the loss is asked of, each `(N, K)`."""
        ...


@dataclass(frozen=True)
class DeepSupervisionSettings(GuidanceSettings):
    """Options of deep supervision.

    Attributes:
        method: its name.
        weights: one for each prediction of the model, in its order; null gives the decision 1 and the others 0.1, or
            each 1 where the decision is none of them.
    """

    method: Literal["deep_supervision"] = "deep_supervision"
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        weights = (1.0,) if self.weights is None else self.weights
        if not all(weight >= 0 for weight in weights) or not any(weights):
            raise SettingsError(f"weights must be numbers of at least 0, one of them above, got {self.weights}")


class DeepSupervision(Guidance):
    r"""The classification loss of each prediction: $\sum_m w_m L_C(y_m)$; the regions are not looked at.

    Args:
        settings: all options at once; or give them by name.
        **options: fields of `DeepSupervisionSettings`.

    Reference:
        Schlemper et al. 2019, doi:10.1016/j.media.2019.01.012; the weights are those of the released configurations.
    """

    kind = DeepSupervisionSettings
    settings: DeepSupervisionSettings

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify, and add up the losses of all predictions. See `Guidance`.

        Raises:
            SettingsError: the model has another number of predictions than there are weights, or none.
        """
        read: Callable[[Tensor], Predictions] | None = getattr(model, "answer", None)
        answer = None if read is None else read(images)
        if answer is None or not hasattr(answer, "predictions"):
            raise SettingsError("deep_supervision needs a model whose answer(images) has predictions, as ag_sononet")
        weights = self.settings.weights or usual_weights(answer)
        if len(weights) != len(answer.predictions):
            raise SettingsError(f"weights must be {len(answer.predictions)} for this model, got {weights}")
        losses = [classification_loss(prediction, labels) for prediction in answer.predictions]
        loss = torch.stack([weight * part for weight, part in zip(weights, losses, strict=True)]).sum()
        classification = classification_loss(answer.logits, labels)
        parts = {"classification": classification} | {f"prediction_{m + 1}": part for m, part in enumerate(losses)}
        return Guided(answer.logits, loss, {name: part.detach() for name, part in parts.items()})


def usual_weights(answer: Predictions) -> tuple[float, ...]:
    """1 for the decision and 0.1 for each other prediction; where the decision is none of them, 1 for each."""
    decides = [prediction is answer.logits for prediction in answer.predictions]
    return tuple(1.0 if own or not any(decides) else 0.1 for own in decides)
