"""Map supervision: a model classifies and draws a map, and both have a loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.guidance.guidance import (
    Guidance,
    GuidanceSettings,
    check_regions,
    classification_loss,
)
from sightline.guidance.saliency_loss import SaliencyKind, comparable, known_mean, saliency_loss
from sightline.guidance.sharing import found
from sightline.types import Guided

Uncertainty = Literal["none", "learned", "learned_classification"]
ClassificationKind = Literal["cross_entropy", "bce"]


class Drawn(Protocol):
    """What a model that draws answers, as `sightline.types.Answer`."""

    @property
    def logits(self) -> Tensor:
        """Scores of the classes, `(N, K)`."""
        ...

    @property
    def maps(self) -> Tensor:
        """Scores of the pixels, `(N, M, *S')`."""
        ...


@dataclass(frozen=True)
class MapSupervisionSettings(GuidanceSettings):
    """Options of map supervision, for models that draw a map beside their answer.

    Attributes:
        method: its name.
        weight: share of the loss of the maps in the total, in [0, 1]; at 0 nothing is drawn and any classifier will do.
        kind: of the loss of the maps: `kl`, `cc` or `hs` of densities, `bce` or `mse` of single pixels, `cross_entropy`
            of two maps, outside and inside.
        classification: loss of the classes: `cross_entropy`, with several labels an image binary, or `bce`, binary for
            each class in either case.
        uncertainty: in place of `weight`: `learned` for both losses, `learned_classification` for that of the classes.
    """

    method: Literal["map_supervision"] = "map_supervision"
    weight: float = 0.5
    kind: SaliencyKind = "bce"
    classification: ClassificationKind = "cross_entropy"
    uncertainty: Uncertainty = "none"

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise SettingsError(f"weight must lie in [0, 1], got {self.weight}")
        for name, choices in (("kind", SaliencyKind), ("classification", ClassificationKind)):
            if getattr(self, name) not in get_args(choices):
                raise SettingsError(
                    f"{name} must be one of {', '.join(get_args(choices))}, got {getattr(self, name)!r}"
                )
        if self.uncertainty not in get_args(Uncertainty):
            raise SettingsError(
                f"uncertainty must be one of {', '.join(get_args(Uncertainty))}, got {self.uncertainty!r}"
            )


class MapSupervision(Guidance):
    r"""The loss of a model of two tasks: $(1 - w) L_C + w L_M$, or weighed by uncertainties that are learned.

    With uncertainties it is

    $$\frac{L_C}{\sigma_C^2} + \ln(1 + \sigma_C) + \frac{L_M}{2 \sigma_M^2} + \ln(1 + \sigma_M)$$

    where $\ln\sigma$ start from 0 and are trained with the model, or stay there. A batch in which no map can be
    compared has no $L_M$, and no $\ln(1 + \sigma_M)$ either.

    Args:
        settings: all options at once; or give them by name.
        read: gives the logits and the maps of a model for images; by default `model.answer(images)`.
        **options: fields of `MapSupervisionSettings`.

    Reference:
        Weight: Karargyris et al. 2021, doi:10.1038/s41597-021-00863-5 ($w = 1 - \gamma$); Bassi et al. 2024,
        doi:10.1038/s41467-023-44371-z, 4.11 ($w = P$). Uncertainties: Zhu et al. 2022, arXiv:2202.07118, whose released
        code learns $\sigma_C$ alone; after Kendall et al. 2018, arXiv:1705.07115.
    """

    kind = MapSupervisionSettings
    settings: MapSupervisionSettings

    def __init__(
        self,
        settings: MapSupervisionSettings | None = None,
        *,
        read: Callable[[nn.Module, Tensor], Drawn] | None = None,
        **options: Any,  # noqa: ANN401 - the fields of the settings
    ) -> None:
        super().__init__(settings, **options)
        s = self.settings
        self.read = read or _answer
        if s.uncertainty != "none":
            self.log_sigma_classification = nn.Parameter(torch.zeros(()))
        if s.uncertainty == "learned":
            self.log_sigma_maps = nn.Parameter(torch.zeros(()))

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify, draw, and compare the maps with the regions. See `Guidance`.

        Raises:
            SettingsError: the model draws no maps.
        """
        check_regions(images, regions)
        s = self.settings
        if s.weight == 0 and s.uncertainty == "none":
            logits = model(images)
            loss = labels_loss(logits, labels, s.classification)
            return Guided(logits, loss, {"classification": loss.detach()})
        answer = self.read(model, images)
        classification = labels_loss(answer.logits, labels, s.classification)
        compared = comparable(regions, s.kind)
        drawn = known_mean(saliency_loss(answer.maps, regions, s.kind), compared)
        compares = found(compared)
        parts = {"classification": classification, "maps": drawn if compares else drawn.new_full((), torch.nan)}
        if s.uncertainty == "none":
            loss = (1 - s.weight) * classification + s.weight * drawn
        else:
            loss = self._weighed(classification, drawn, compares)
            parts |= {name: value.exp() for name, value in self._log_sigmas().items()}
        return Guided(answer.logits, loss, {name: part.detach() for name, part in parts.items()})

    def _weighed(self, classification: Tensor, drawn: Tensor, compares: bool) -> Tensor:
        sigma = self.log_sigma_classification.exp()
        sigma_maps = self.log_sigma_maps.exp() if self.settings.uncertainty == "learned" else torch.ones_like(sigma)
        loss = classification / sigma**2 + sigma.log1p()
        return loss + drawn / (2 * sigma_maps**2) + compares * sigma_maps.log1p()

    def _log_sigmas(self) -> dict[str, Tensor]:
        return {name.removeprefix("log_"): value for name, value in self.named_parameters()}


def labels_loss(logits: Tensor, labels: Tensor, kind: ClassificationKind) -> Tensor:
    """Loss of the classes: `classification_loss`, or with `bce` the binary one for each class in either case.

    Args:
        logits: `(N, K)`.
        labels: `(N,)` int64, or `(N, K)` float in [0, 1] with NaN where unknown.
        kind: `cross_entropy` or `bce`.

    Returns:
        Scalar.

    Reference:
        `bce` for one label an image: Karargyris et al. 2021, doi:10.1038/s41597-021-00863-5.
    """
    if kind == "bce" and labels.ndim == 1:
        labels = F.one_hot(labels, logits.shape[1]).to(torch.float32)
    return classification_loss(logits, labels)


def _answer(model: nn.Module, images: Tensor) -> Drawn:
    answer = getattr(model, "answer", None)
    if answer is None:
        raise SettingsError(
            f"map_supervision needs a model with answer(images), as egd_unet or multitask_unet; "
            f"{type(model).__name__} has none; set weight to 0, or give `read`"
        )
    drawn: Drawn = answer(images)
    return drawn
