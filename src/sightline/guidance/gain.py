"""GAIN: where the classifier looks is taken out of the image, and what is left should no longer show the class."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from sightline.attribution import EveryClass, GradCAM, Label, Target, upsample_to
from sightline.attribution.cam.features import FeatureMap
from sightline.attribution.cam.weighing import explain_by_weighing
from sightline.errors import SettingsError
from sightline.guidance.gain_losses import regions_of, soft_mask, squared_error, unit_range
from sightline.guidance.guidance import Guidance, GuidanceSettings, check_regions
from sightline.guidance.second_pass import buffers_held
from sightline.guidance.sharing import found, mean_over_processes, side_by_side
from sightline.regions import known
from sightline.types import Guided


@dataclass(frozen=True)
class AttentionMiningSettings(GuidanceSettings):
    """Options of GAIN, with the paper's names in brackets.

    Attributes:
        method: its name.
        mining_weight: of the attention mining loss, [alpha].
        supervision_weight: of the squared distance between map and region, [omega] in the extended GAIN, 10 there; 0
            leaves the regions aside.
        threshold: value of the map at which half of a pixel is taken out, [sigma].
        slope: how sharp the border of what is taken out is, [omega].
        scale: bring each map to [0, 1] first; the ISNet paper's comparison did not, and its thresholds are then in
            units of the logit.
        layer: dotted name of the layer of the Grad-CAM maps, as in `model.named_modules()`; null takes the last feature
            map before the head.
        second_order: send gradients through the weights of the Grad-CAM maps too, as no released code does.
    """

    method: Literal["gain"] = "gain"
    mining_weight: float = 1.0
    supervision_weight: float = 0.0
    threshold: float = 0.5
    slope: float = 10.0
    scale: bool = True
    layer: str | None = None
    second_order: bool = False

    def __post_init__(self) -> None:
        for name in ("mining_weight", "supervision_weight"):
            if not getattr(self, name) >= 0:
                raise SettingsError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not self.slope > 0:
            raise SettingsError(f"slope must be positive, got {self.slope}")


class AttentionMining(Guidance):
    r"""The GAIN loss: $L_C + \alpha L_{am} + w L_e$, on the Grad-CAM maps of the classes that are present.

    The map $A$ of a present class, at the size of the image and scaled to [0, 1], is taken out of the image,
    $I^* = I - T(A) \odot I$ with $T(A) = \sigma(\omega (A - \sigma_0))$. $L_{am}$ is the mean probability that the
    model still gives these classes, and the extended $L_e$ the mean squared distance of $A$ to the class's region. One
    class an image is one masked image; of several each present one has its own.

    The masked images are classified in the mode that the model is in, all in one batch: in training mode by the
    statistics of this batch, which do not move the running ones. Gradients reach the weights through both passes, the
    second also by way of the mask; the weights of the Grad-CAM map count as constants unless `second_order`.

    Args:
        settings: all options at once; or give them by name.
        **options: fields of `AttentionMiningSettings`.

    Reference:
        Li et al. 2018, arXiv:1802.10171, eq. 1 to 6 and its extension; several labels and the weights after Bassi et
        al. 2024, doi:10.1038/s41467-023-44371-z, 4.9.
    """

    kind = AttentionMiningSettings
    settings: AttentionMiningSettings

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify, take out of the images what the classes rest on, and classify again. See `Guidance`."""
        check_regions(images, regions)
        several = labels.ndim == 2
        target: Target = EveryClass() if several else Label(labels)
        cam = GradCAM(layer=self.settings.layer)
        explanation = explain_by_weighing(cam, model, images, target, self._weigh)
        losses = {"classification": self.classification_loss(explanation.logits, labels)}
        rows, classes = present_classes(labels)  # (P,), (P,)
        if mean_over_processes(len(rows)) > 0:
            maps = explanation.attribution[rows, classes] if several else explanation.attribution  # (P, 1, *S')
            with torch.autocast(images.device.type, enabled=False):  # small differences of maps need every digit
                maps = self.scaled(maps, tuple(images.shape[2:]))
                mask = soft_mask(maps, threshold=self.settings.threshold, slope=self.settings.slope)
                masked = images[rows] * (1 - mask).to(images.dtype)
                aims = regions_of(regions, rows, classes, num_classes=explanation.logits.shape[1])
                if found(known(aims)):
                    losses["supervision"] = squared_error(maps, aims)
            losses["mining"] = still_seen(classify_again(model, masked), classes, several=several)
        weights = self._weights()
        loss = torch.stack([weights[name] * part for name, part in losses.items() if weights[name]]).sum()
        parts = {name: losses.get(name, loss.new_full((), torch.nan)).detach() for name in weights}
        return Guided(explanation.logits, loss, parts)

    def scaled(self, maps: Tensor, size: tuple[int, ...]) -> Tensor:
        """Bring maps `(P, 1, *S')` to the size of the images, and to [0, 1] if the settings say so, `(P, 1, *size)`."""
        maps = upsample_to(maps.to(torch.promote_types(maps.dtype, torch.float32)), size)
        return unit_range(maps) if self.settings.scale else maps

    def _weights(self) -> dict[str, float]:
        s = self.settings
        return {"classification": 1.0, "mining": s.mining_weight, "supervision": s.supervision_weight}

    def _weigh(self, features: FeatureMap, gradient: Tensor) -> Tensor:
        gradient = gradient if self.settings.second_order else gradient.detach()  # as the sources
        return gradient.mean(tuple(range(2, gradient.ndim)), keepdim=True)


def present_classes(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Tell which classes are present in which images; an unknown label is not.

    Args:
        labels: `(N,)` int64, or `(N, K)` float with NaN where unknown; over 0.5 is present.

    Returns:
        Index of the image and of the class of each pair, `(P,)` each, image after image.
    """
    if labels.ndim == 1:
        return torch.arange(len(labels), device=labels.device), labels
    rows, classes = (labels > 0.5).nonzero(as_tuple=True)
    return rows, classes


def classify_again(model: nn.Module, images: Tensor) -> Tensor:
    """Classify other images in the mode the model is in, without moving its running statistics or other buffers.

    Args:
        model: from images to logits; comes back as it was.
        images: `(P, C, *S)`.

    Returns:
        Logits `(P, K)`, on the graph.
    """
    # a single image of one place has no variance to be normalised by; twice the same one has none either, and may be
    if not len(images) and not side_by_side():
        return images.new_zeros((0, 1))  # other processes have some
    alone = len(images) == 1 and any(part.training for part in model.modules())
    given = images.expand(2, *images.shape[1:]) if alone else images
    with buffers_held(model):
        logits: Tensor = model(given)
    return logits[: len(images)]


def still_seen(logits: Tensor, classes: Tensor, *, several: bool) -> Tensor:
    """Mean probability of the classes that were taken out of the images.

    Args:
        logits: of the masked images, `(P, K)`.
        classes: taken out, `(P,)`.
        several: whether an image may have several classes: a sigmoid in place of the softmax.

    Returns:
        Scalar in [0, 1].

    Reference:
        Li et al. 2018, arXiv:1802.10171, eq. 5.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    chances = logits.sigmoid() if several else logits.softmax(1)
    return chances.gather(1, classes[:, None]).sum() / mean_over_processes(len(classes))
