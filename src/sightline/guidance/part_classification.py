"""Classification by a part of a model: what a stage trains before the rest of the model is there."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from sightline.guidance.guidance import Guidance, GuidanceSettings
from sightline.guidance.model_parts import find_part
from sightline.types import Guided


@dataclass(frozen=True)
class PartClassificationSettings(GuidanceSettings):
    """Options of classification by a part of the model.

    Attributes:
        method: its name.
        part: dotted name of the part, which takes the images and answers with logits; null for the whole model.
    """

    method: Literal["part_classification"] = "part_classification"
    part: str | None = None


class PartClassification(Guidance):
    """The classification loss of one part of a model; the rest does not run.

    Args:
        settings: all options at once; or give them by name.
        **options: fields of `PartClassificationSettings`.

    Reference:
        Qiu, Rivaz and Xiao 2024, arXiv:2403.16970, the second half of stage 1.
    """

    kind = PartClassificationSettings
    settings: PartClassificationSettings

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify by the part; `regions` are not looked at. See `Guidance`.

        Raises:
            SettingsError: the model has no such part.
        """
        logits = find_part(model, self.settings.part, option="part")(images)
        loss = self.classification_loss(logits, labels)
        return Guided(logits, loss, {"classification": loss.detach()})
