"""DenseNet, 2-D and 3-D, with torchvision's state-dict keys.

Reference:
    Huang et al. 2017, doi:10.1109/CVPR.2017.243 (DenseNet-BC, table 1).
"""

from collections import OrderedDict
from typing import Unpack

import torch
from torch import Tensor, nn

from sightline.models.layers import Layers, ModelOptions, initialise_convolutions, layers_for

_BOTTLENECK = 4  # channels between the two convolutions of a dense layer, in growth rates


class _DenseLayer(nn.Sequential):
    def __init__(self, layers: Layers, channels: int, growth_rate: int) -> None:
        middle = _BOTTLENECK * growth_rate
        super().__init__(
            OrderedDict(
                norm1=layers.norm(channels),
                relu1=nn.ReLU(inplace=True),
                conv1=layers.conv(channels, middle, 1, bias=False),
                norm2=layers.norm(middle),
                relu2=nn.ReLU(inplace=True),
                conv2=layers.conv(middle, growth_rate, 3, padding=1, bias=False),
            )
        )


class _DenseBlock(nn.Module):
    def __init__(self, layers: Layers, channels: int, growth_rate: int, depth: int) -> None:
        super().__init__()
        for i in range(depth):
            self.add_module(f"denselayer{i + 1}", _DenseLayer(layers, channels + i * growth_rate, growth_rate))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = torch.cat((x, layer(x)), 1)
        return x


class _Transition(nn.Sequential):
    def __init__(self, layers: Layers, channels: int) -> None:
        super().__init__(
            OrderedDict(
                norm=layers.norm(channels),
                relu=nn.ReLU(inplace=True),
                conv=layers.conv(channels, channels // 2, 1, bias=False),
                pool=layers.avg_pool(2),
            )
        )


class DenseNet(nn.Module):
    """Densely connected classifier: images `(N, C, *S)` to logits `(N, K)`.

    Args:
        num_classes: K.
        block_config: number of dense layers in each block.
        growth_rate: channels that each dense layer adds; half of `width` when None, as published.
        in_channels: C.
        dimensions: number of spatial axes, 2 or 3.
        dropout: chance that a feature is dropped before the last layer (the ISNet papers train with 0.5).
        width: channels before the first block, torchvision's `num_init_features`; at least 2.

    Raises:
        SettingsError: `dimensions` is neither 2 nor 3.
    """

    def __init__(
        self,
        num_classes: int,
        block_config: tuple[int, ...] = (6, 12, 24, 16),
        *,
        growth_rate: int | None = None,
        in_channels: int = 3,
        dimensions: int = 2,
        dropout: float = 0.0,
        width: int = 64,
    ) -> None:
        super().__init__()
        layers = layers_for(dimensions)
        growth_rate = width // 2 if growth_rate is None else growth_rate
        channels = width
        self.features = nn.Sequential(
            OrderedDict(
                conv0=layers.conv(in_channels, channels, 7, stride=2, padding=3, bias=False),
                norm0=layers.norm(channels),
                relu0=nn.ReLU(inplace=True),
                pool0=layers.max_pool(3, stride=2, padding=1),
            )
        )
        for i, depth in enumerate(block_config, start=1):
            self.features.add_module(f"denseblock{i}", _DenseBlock(layers, channels, growth_rate, depth))
            channels += depth * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(layers, channels))
                channels //= 2
        self.features.add_module("norm5", layers.norm(channels))
        self.relu = nn.ReLU()
        self.avgpool = layers.adaptive_avg_pool(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)

        initialise_convolutions(self, mode="fan_in")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, *S)`, at least 32 pixels along each axis."""
        features = self.relu(self.features(images))
        logits: Tensor = self.classifier(self.dropout(self.avgpool(features).flatten(1)))
        return logits


def densenet121(num_classes: int, **options: Unpack[ModelOptions]) -> DenseNet:
    """DenseNet-121; `options` as in `ModelOptions`."""
    return DenseNet(num_classes, (6, 12, 24, 16), **options)


def densenet169(num_classes: int, **options: Unpack[ModelOptions]) -> DenseNet:
    """DenseNet-169; `options` as in `ModelOptions`."""
    return DenseNet(num_classes, (6, 12, 32, 32), **options)


def densenet201(num_classes: int, **options: Unpack[ModelOptions]) -> DenseNet:
    """DenseNet-201; `options` as in `ModelOptions`."""
    return DenseNet(num_classes, (6, 12, 48, 32), **options)
