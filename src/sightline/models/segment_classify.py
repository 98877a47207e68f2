"""Segment, then classify: a U-Net erases all but what it segments, and a classifier sees the rest.

Reference:
    Bassi et al. 2024 (ISNet), doi:10.1038/s41467-023-44371-z, 4.9.
"""

from collections.abc import Mapping
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.models.layers import ModelOptions
from sightline.models.unet import UNet
from sightline.types import Answer


class SegmentClassify(nn.Module):
    """A segmenter before a classifier: images `(N, C, *S)` to logits `(N, K)`.

    The image is multiplied by 1 where the segmenter's chance reaches the threshold, and by 0 elsewhere. This mask is a
    constant of the answer: neither gradient nor relevance passes through it to the segmenter.

    Args:
        segmenter: images to one map of logits `(N, 1, *S)`.
        classifier: images to logits `(N, K)`.
        erase: whether the segmenter acts; without, the classifier sees the image as it is, with the same weights.
        threshold: chance from which a pixel is kept, in (0, 1); the guidance `segmentation` chooses it.

    Raises:
        SettingsError: the threshold leaves its range.
    """

    threshold: Tensor

    def __init__(
        self, segmenter: nn.Module, classifier: nn.Module, *, erase: bool = True, threshold: float = 0.5
    ) -> None:
        super().__init__()
        if not 0 < threshold < 1:
            raise SettingsError(f"threshold must lie in (0, 1), got {threshold}")
        self.segmenter, self.classifier, self.erase = segmenter, classifier, erase
        self.register_buffer("threshold", torch.tensor(threshold))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, *S)`."""
        if self.erase:
            with torch.no_grad(), torch._C.DisableTorchFunction():  # to an explanation the mask is given
                mask = self._mask(self.segmenter(images))
            images = images * mask
        logits: Tensor = self.classifier(images)
        return logits

    def answer(self, images: Tensor) -> Answer:
        """Return the logits `(N, K)` of `images` `(N, C, *S)` and the segmenter's map of logits `(N, 1, *S)`."""
        maps = self.segmenter(images)
        logits = self.classifier(images * self._mask(maps.detach()) if self.erase else images)
        return Answer(logits, maps)

    def _mask(self, maps: Tensor) -> Tensor:
        return (maps.sigmoid() >= self.threshold).to(maps.dtype)


def segment_classify(
    num_classes: int,
    *,
    classifier: str = "densenet121",
    classifier_options: Mapping[str, Any] | None = None,
    erase: bool = True,
    **options: Unpack[ModelOptions],
) -> SegmentClassify:
    """A U-Net with batch normalisation before a classifier.

    Args:
        num_classes: K.
        classifier: one of `model_names()`, or `package.module:callable`, as in `ModelSettings`.
        classifier_options: its further options.
        erase: as in `SegmentClassify`.
        **options: as in `ModelOptions`, for both; `dropout` is the classifier's.
    """
    from sightline.models.build import ModelSettings, build_model  # `build` knows this file by name

    shared = {key: value for key, value in options.items() if key in ("in_channels", "dimensions", "width")}
    segmenter = UNet(1, batch_norm=True, **({"in_channels": 3} | shared))  # type: ignore[arg-type]
    volumes = {"dimensions": options["dimensions"]} if options.get("dimensions", 2) != 2 else {}
    settings = ModelSettings(
        classifier,
        in_channels=options.get("in_channels", 3),
        dropout=options.get("dropout", 0.0),
        width=options.get("width"),
        options={**volumes, **(classifier_options or {})},
    )
    seed = int(torch.randint(2**31, (), device="cpu"))  # so that one seed makes both
    return SegmentClassify(segmenter, build_model(settings, num_classes=num_classes, seed=seed), erase=erase)
