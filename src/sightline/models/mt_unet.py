"""MT-UNet, 2-D and 3-D: one U-Net that classifies an image and draws where a reader looks at it.

Reference:
    Zhu, Salcudean and Rohling 2022, arXiv:2202.07118, and its released code; with residual squeeze-and-excitation
    blocks Qiu, Rivaz and Xiao 2024, arXiv:2403.16970.
"""

from typing import Unpack

import torch
from torch import Tensor, nn

from sightline.models.layers import ModelOptions, initialise_convolutions, layers_for
from sightline.models.unet_blocks import (
    Block,
    Contracting,
    Expanding,
    check_size,
    classification_head,
    saliency_head,
)
from sightline.types import Answer


class MTUNet(nn.Module):
    r"""A U-Net with two heads: images `(N, C, *S)` to logits `(N, K)` and one map of logits `(N, 1, *S)`.

    The logits are read off the means of the deepest maps and of the last ones, $16 w + w$ features for a width $w$. The
    map is a density after a softmax over its pixels, which is left to the loss.

    Without the other task's loss it is the U-Net, or with `residual_se` blocks the Res-SE-UNet, that Qiu et al. compare
    with; theirs have no classes, ours keep the head.

    Args:
        num_classes: K.
        block: of the contracting path, `plain` or `residual_se`.
        in_channels: C; the paper has 1.
        dimensions: number of spatial axes, 2 or 3.
        dropout: chance that a hidden feature of the head is dropped, before its ReLU; the paper has 0.25.
        width: channels of the first stage.

    Raises:
        SettingsError: `dimensions` is neither 2 nor 3, or there is no such block.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        block: Block = "plain",
        in_channels: int = 3,
        dimensions: int = 2,
        dropout: float = 0.0,
        width: int = 64,
    ) -> None:
        super().__init__()
        layers = layers_for(dimensions)
        self.dimensions = dimensions
        self.encoder = Contracting(layers, block, in_channels, width)
        *skipped, deepest = self.encoder.planes
        self.decoder = Expanding(layers, deepest, skipped[::-1], skipped[::-1])
        self.saliency = saliency_head(layers, width)
        self.pool = layers.adaptive_avg_pool(1)
        self.classifier = classification_head(deepest + width, width, num_classes, dropout)
        initialise_convolutions(self, mode="fan_in")

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, *S)`.

        Raises:
            ShapeError: a side is no multiple of 16.
        """
        return self._classify(*self._features(images))

    def answer(self, images: Tensor) -> Answer:
        """Return the logits and the map of `images` `(N, C, *S)`.

        Raises:
            ShapeError: a side is no multiple of 16.
        """
        deepest, last = self._features(images)
        return Answer(self._classify(deepest, last), self.saliency(last))

    def _features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        check_size(images, self.dimensions, 16)
        *skipped, deepest = self.encoder(images)
        return deepest, self.decoder(deepest, skipped[::-1])

    def _classify(self, deepest: Tensor, last: Tensor) -> Tensor:
        means = torch.cat([self.pool(maps).flatten(1) for maps in (deepest, last)], dim=1)
        logits: Tensor = self.classifier(means)
        return logits


def mt_unet(num_classes: int, **options: Unpack[ModelOptions]) -> MTUNet:
    """MT-UNet; `options` as in `ModelOptions`."""
    return MTUNet(num_classes, **options)


def res_se_unet(num_classes: int, **options: Unpack[ModelOptions]) -> MTUNet:
    """MT-UNet with residual squeeze-and-excitation blocks on its contracting path; `options` as in `ModelOptions`."""
    return MTUNet(num_classes, block="residual_se", **options)
