"""The EGD-CXR baseline: EfficientNet-B0 that classifies, and as a U-Net draws where a radiologist looks; 2-D and 3-D.

Reference:
    Karargyris et al. 2021, doi:10.1038/s41597-021-00863-5, the static heatmaps; the decoder is that of Segmentation
    Models PyTorch, which the authors' code uses.
"""

from pathlib import Path
from typing import Any, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.models.efficientnet import EfficientNet, EfficientNetFeatures, initialise_efficientnet
from sightline.models.layers import Layers, ModelOptions, layers_for
from sightline.models.weights import load_weights
from sightline.types import Answer

_PLANES = (256, 128, 64, 32, 16)  # of the decoder, where the stem has 32 channels
_WIDTH = 32


class _Classifier(nn.Sequential):
    def __init__(self, layers: Layers, channels: int, num_classes: int, dropout: float) -> None:
        super().__init__(
            layers.adaptive_avg_pool(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, num_classes)
        )


class _Decoder(nn.Module):
    """From the last of some feature maps back to the size of the images, past all maps in between.

    Args:
        layers: for the number of spatial axes.
        channels: of the feature maps, from the first to the last.
        planes: channels after each step.
    """

    def __init__(self, layers: Layers, channels: tuple[int, ...], planes: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        inputs, *skipped = reversed(channels)
        for skip, outputs in zip([*skipped, 0], planes, strict=True):
            block = nn.Sequential()
            for first in (inputs + skip, outputs):
                block.extend([layers.conv(first, outputs, 3, padding=1, bias=False), layers.norm(outputs), nn.ReLU()])
            self.blocks.append(block)
            inputs = outputs

    def forward(self, maps: list[Tensor], images: Tensor) -> Tensor:
        x, *skipped = reversed(maps)
        for skip, block in zip([*skipped, None], self.blocks, strict=True):
            size = (images if skip is None else skip).shape[2:]
            x = F.interpolate(x, size, mode="nearest")
            x = block(x if skip is None else torch.cat([x, skip], 1))
        return x


class EGDClassifier(nn.Module):
    """The encoder and the classifier of `EGDUNet` alone: images `(N, C, *S)` to logits `(N, K)`.

    Args:
        num_classes: K.
        in_channels: C.
        dimensions: number of spatial axes, 2 or 3.
        dropout: chance that a feature is dropped before the last layer.
        width: channels of the stem, 32 as published.
        drop_path: as in `EfficientNetFeatures`.
        tensorflow: as in `EfficientNetFeatures`. The authors' code loads weights that were trained with it, and leaves
            it off.
        encoder_weights: file of weights of an EfficientNet-B0 that the encoder starts from, as timm's; None starts from
            random weights.

    Raises:
        SettingsError: `dimensions` is neither 2 nor 3.
        DataNotFoundError: there is no file `encoder_weights`.
        DataError: the file holds no weights of this EfficientNet.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        dimensions: int = 2,
        dropout: float = 0.0,
        width: int = _WIDTH,
        drop_path: float = 0.2,
        tensorflow: bool = False,
        encoder_weights: str | Path | None = None,
    ) -> None:
        super().__init__()
        self.encoder = _encoder(
            encoder_weights,
            in_channels=in_channels,
            dimensions=dimensions,
            width=width,
            drop_path=drop_path,
            tensorflow=tensorflow,
        )
        self.classifier = _Classifier(layers_for(dimensions), self.encoder.channels[-1], num_classes, dropout)
        _initialise_head(self.classifier)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, *S)`."""
        logits: Tensor = self.classifier(self.encoder(images)[-1])
        return logits


class EGDUNet(nn.Module):
    """EfficientNet-B0 with a U-Net's decoder: images `(N, C, *S)` to logits `(N, K)`, and a map of the images' size.

    Args:
        num_classes: K.
        in_channels: C.
        dimensions: number of spatial axes, 2 or 3.
        dropout: as in `EGDClassifier`.
        width: channels of the stem, 32 as published; all others, the decoder's too, follow.
        drop_path: as in `EGDClassifier`.
        tensorflow: as in `EGDClassifier`.
        encoder_weights: as in `EGDClassifier`.

    Raises:
        SettingsError, DataNotFoundError, DataError: as in `EGDClassifier`.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        dimensions: int = 2,
        dropout: float = 0.0,
        width: int = _WIDTH,
        drop_path: float = 0.2,
        tensorflow: bool = False,
        encoder_weights: str | Path | None = None,
    ) -> None:
        super().__init__()
        layers = layers_for(dimensions)
        self.encoder = _encoder(
            encoder_weights,
            in_channels=in_channels,
            dimensions=dimensions,
            width=width,
            drop_path=drop_path,
            tensorflow=tensorflow,
        )
        channels, planes = self.encoder.channels, tuple(max(1, count * width // _WIDTH) for count in _PLANES)
        self.decoder = _Decoder(layers, channels, planes)
        self.saliency = layers.conv(planes[-1], 1, 3, padding=1)
        self.classifier = _Classifier(layers, channels[-1], num_classes, dropout)
        for module in self.decoder.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                nn.init.kaiming_uniform_(module.weight, mode="fan_in", nonlinearity="relu")
        _initialise_head(self.saliency)
        _initialise_head(self.classifier)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, *S)`; nothing is drawn."""
        logits: Tensor = self.classifier(self.encoder(images)[-1])
        return logits

    def answer(self, images: Tensor) -> Answer:
        """Return the logits `(N, K)` of `images` `(N, C, *S)` and a map of logits `(N, 1, *S)`."""
        maps = self.encoder(images)
        return Answer(self.classifier(maps[-1]), self.saliency(self.decoder(maps, images)))


def egd_classifier(
    num_classes: int,
    *,
    drop_path: float = 0.2,
    tensorflow: bool = False,
    encoder_weights: str | Path | None = None,
    **options: Unpack[ModelOptions],
) -> EGDClassifier:
    """The classifier of the EGD-CXR baseline; `options` as in `ModelOptions`, with a width of 32 as published."""
    return EGDClassifier(
        num_classes, drop_path=drop_path, tensorflow=tensorflow, encoder_weights=encoder_weights, **options
    )


def egd_unet(
    num_classes: int,
    *,
    drop_path: float = 0.2,
    tensorflow: bool = False,
    encoder_weights: str | Path | None = None,
    **options: Unpack[ModelOptions],
) -> EGDUNet:
    """The U-Net of the EGD-CXR baseline; `options` as in `ModelOptions`, with a width of 32 as published."""
    return EGDUNet(num_classes, drop_path=drop_path, tensorflow=tensorflow, encoder_weights=encoder_weights, **options)


def _encoder(weights: str | Path | None, **options: Any) -> EfficientNetFeatures:  # noqa: ANN401 - of the encoder
    encoder = EfficientNetFeatures(**options)
    initialise_efficientnet(encoder)
    if weights is not None:
        whole = EfficientNet(1, **options)  # the file has its head too
        load_weights(whole, Path(weights))
        encoder.load_state_dict({name: whole.state_dict()[name] for name in encoder.state_dict()})
    return encoder


def _initialise_head(head: nn.Module) -> None:
    """Glorot and Bengio 2010, uniform; biases 0."""
    for module in head.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
