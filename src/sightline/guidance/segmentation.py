"""Segmentation: the first of two stages, in which a segmenter learns the regions that a classifier will see."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from sightline.attribution.explainer import evaluation_mode
from sightline.errors import SettingsError
from sightline.guidance.guidance import Guidance, GuidanceSettings, check_regions, classification_loss
from sightline.guidance.saliency_loss import known_mean, saliency_loss
from sightline.guidance.sharing import found
from sightline.metrics.mask_overlap import THRESHOLDS, best_threshold, overlap
from sightline.regions import known, resize_region
from sightline.types import Answer, Batch, Guided


@dataclass(frozen=True)
class SegmentationSettings(GuidanceSettings):
    """Options of segmentation, for models that segment before they classify.

    Attributes:
        method: its name.
        choose_threshold: whether the chance from which a pixel is kept is chosen at the end, by the mean overlap with
            the regions of the validation images; otherwise it stays as it is.
    """

    method: Literal["segmentation"] = "segmentation"
    choose_threshold: bool = True


class Segmentation(Guidance):
    r"""The loss of the segmenter alone: the mean cross-entropy of each pixel with the region.

    $$L = -\frac1P \sum_i r_i \ln \sigma(z_i) + (1 - r_i) \ln(1 - \sigma(z_i))$$

    The model, such as `sightline.models.SegmentClassify`, has `answer(images)` with one map and a buffer `threshold`.
    The classification loss is measured, and trains nothing. Images without a known region weigh nothing.

    Args:
        settings: all options at once; or give them by name.
        **options: fields of `SegmentationSettings`.

    Reference:
        Bassi et al. 2024, doi:10.1038/s41467-023-44371-z, 4.9 and 4.11. There the U-Net has two maps and a softmax; one
        map and a sigmoid is the same function. Its threshold is the best by "validation performance"; here by IoU.
    """

    kind = SegmentationSettings
    settings: SegmentationSettings

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify, segment, and compare the map with the region. See `Guidance`.

        Raises:
            SettingsError: the model does not segment.
        """
        seen = check_regions(images, regions)
        answer = _answer(model, images)
        loss = known_mean(saliency_loss(answer.maps, regions, "bce"), seen)
        parts = {
            "classification": classification_loss(answer.logits, labels),
            "segmentation": loss if found(seen) else loss.new_full((), torch.nan),
        }
        return Guided(answer.logits, loss, {name: part.detach() for name, part in parts.items()})

    def finish(self, model: nn.Module, batches: Iterable[Batch]) -> Mapping[str, float]:
        """Choose the threshold of the greatest mean IoU over images. See `Guidance`.

        Raises:
            DataError: no image has a known region.
        """
        if not self.settings.choose_threshold:
            return {}
        scores = []
        with evaluation_mode(model), torch.no_grad():
            for batch in batches:
                maps = _answer(model, batch.images).maps.float()
                regions = resize_region(batch.regions, maps.shape[2:])
                for chances, region in zip(maps.sigmoid()[known(regions)], regions[known(regions)], strict=True):
                    scores.append(overlap(chances.cpu().numpy(), (region >= 0.5).cpu().numpy(), THRESHOLDS).iou)
        iou = np.array(scores)  # (N, T)
        best = best_threshold(iou, THRESHOLDS)
        model.get_buffer("threshold").fill_(THRESHOLDS[best])
        return {"threshold": THRESHOLDS[best], "iou": float(iou[:, best].mean()), "images": len(scores)}


def _answer(model: nn.Module, images: Tensor) -> Answer:
    answer = getattr(model, "answer", None)
    if answer is None or "threshold" not in dict(model.named_buffers()):
        raise SettingsError(
            f"segmentation needs a model that segments before it classifies, as segment_classify; "
            f"{type(model).__name__} does not"
        )
    answered: Answer = answer(images)
    return answered
