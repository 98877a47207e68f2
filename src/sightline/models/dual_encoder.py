"""Dual-encoder U-Net, 2-D and 3-D: a DenseNet and a U-Net together draw where a reader looks, and classify.

Reference:
    Qiu, Rivaz and Xiao 2024, arXiv:2403.16970, figure 1; the released code where the paper is silent.
"""

from pathlib import Path
from typing import Unpack

import torch
from torch import Tensor, nn

from sightline.models.densenet import DenseNet
from sightline.models.layers import ModelOptions, initialise_convolutions, layers_for
from sightline.models.unet_blocks import Contracting, Expanding, check_size, classification_head, saliency_head
from sightline.models.weights import load_weights
from sightline.types import Answer


class DualEncoder(nn.Module):
    r"""Two encoders, one decoder, two heads: images `(N, C, *S)` to logits `(N, K)` and one map of logits `(N, 1, *S)`.

    The decoder begins with the DenseNet's last dense block, before it is normalised, at a 32nd of the image's size, and
    is joined by all five stages of a contracting path of residual squeeze-and-excitation blocks. The logits are read
    off the means of the DenseNet's rectified features and of the decoder's last maps. The map is a density after a
    softmax over its pixels, which is left to the loss.

    The parts train one after the other, by their names: `densenet`, whose own `classifier` serves nothing else;
    `encoder`, `decoder` and `saliency`, which together are the U-Net; `classifier`.

    Args:
        num_classes: K.
        block_config: number of dense layers in each block of the DenseNet.
        densenet_weights: file that the DenseNet starts from, as one of ImageNet's; None starts from random weights.
        in_channels: C, of both encoders. The released code repeats one channel for the DenseNet: that is the same as
            one channel here with the weights of its file summed, as they are when they are loaded.
        dimensions: number of spatial axes, 2 or 3.
        dropout: chance that a hidden feature of the head is dropped, before its ReLU; the released code has 0.25.
        width: channels of the first stage of both encoders.

    Raises:
        SettingsError: `dimensions` is neither 2 nor 3.
        DataNotFoundError: there is no file `densenet_weights`.
        DataError: the file holds no weights of this DenseNet.
    """

    def __init__(
        self,
        num_classes: int,
        block_config: tuple[int, ...] = (6, 12, 48, 32),
        *,
        densenet_weights: str | Path | None = None,
        in_channels: int = 3,
        dimensions: int = 2,
        dropout: float = 0.0,
        width: int = 64,
    ) -> None:
        super().__init__()
        layers = layers_for(dimensions)
        self.dimensions = dimensions
        self.encoder = Contracting(layers, "residual_se", in_channels, width)
        self.densenet = DenseNet(num_classes, block_config, in_channels=in_channels, dimensions=dimensions, width=width)
        features = self.densenet.classifier.in_features
        skipped = self.encoder.planes[::-1]
        self.decoder = Expanding(layers, features, skipped, [*skipped[1:], width])
        self.saliency = saliency_head(layers, width)
        self.pool = layers.adaptive_avg_pool(1)
        self.classifier = classification_head(features + width, width, num_classes, dropout)
        for part in (self.encoder, self.decoder, self.saliency):
            initialise_convolutions(part, mode="fan_in")
        if densenet_weights is not None:
            load_weights(self.densenet, Path(densenet_weights))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, *S)`.

        Raises:
            ShapeError: a side is no multiple of 32.
        """
        return self._classify(*self._features(images))

    def answer(self, images: Tensor) -> Answer:
        """Return the logits and the map of `images` `(N, C, *S)`.

        Raises:
            ShapeError: a side is no multiple of 32.
        """
        dense, last = self._features(images)
        return Answer(self._classify(dense, last), self.saliency(last))

    def _features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Rectified features of the DenseNet, and the last maps of the decoder."""
        check_size(images, self.dimensions, 32)
        *body, norm = self.densenet.features
        block = images
        for layer in body:
            block = layer(block)
        last = self.decoder(block, self.encoder(images)[::-1])
        return self.densenet.relu(norm(block)), last

    def _classify(self, dense: Tensor, last: Tensor) -> Tensor:
        means = torch.cat([self.pool(maps).flatten(1) for maps in (dense, last)], dim=1)
        logits: Tensor = self.classifier(means)
        return logits


def dual_encoder(
    num_classes: int, *, densenet_weights: str | Path | None = None, **options: Unpack[ModelOptions]
) -> DualEncoder:
    """Dual-encoder U-Net with DenseNet-201; `densenet_weights` as in `DualEncoder`, `options` as in `ModelOptions`."""
    return DualEncoder(num_classes, densenet_weights=densenet_weights, **options)
