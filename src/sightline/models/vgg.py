"""VGG with and without batch normalisation, 2-D and 3-D, with torchvision's state-dict keys.

Reference:
    Simonyan & Zisserman 2015, arXiv:1409.1556 (table 1, configurations A, B, D and E).
"""

from typing import Unpack

from torch import Tensor, nn

from sightline.models.layers import Layers, ModelOptions, initialise_convolutions, layers_for

_GRID = {2: 7, 3: 4}  # cells along each axis that the head sees; 4³ are about as many as 7²
_A, _B, _D, _E = (1, 1, 2, 2, 2), (2, 2, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)


def _features(layers: Layers, depths: tuple[int, ...], batch_norm: bool, channels: int, width: int) -> nn.Sequential:
    features = nn.Sequential()
    for i, depth in enumerate(depths):
        planes = width * min(2**i, 8)
        for _ in range(depth):
            features.append(layers.conv(channels, planes, 3, padding=1))
            if batch_norm:
                features.append(layers.norm(planes))
            features.append(nn.ReLU())
            channels = planes
        features.append(layers.max_pool(2))
    return features


class VGG(nn.Module):
    """Plain stack of 3×3 convolutions: images `(N, C, *S)` to logits `(N, K)`.

    Args:
        num_classes: K.
        depths: number of convolutions in each of the five stages.
        batch_norm: normalise after each convolution.
        in_channels: C.
        dimensions: number of spatial axes, 2 or 3.
        dropout: chance that a feature is dropped before the second and the third layer of the head. The paper and
            torchvision have 0.5; here the default is 0 for every architecture.
        width: channels of the first stage; the last two have 8 and the head 64 times as many.

    Raises:
        SettingsError: `dimensions` is neither 2 nor 3.
    """

    def __init__(
        self,
        num_classes: int,
        depths: tuple[int, ...],
        *,
        batch_norm: bool,
        in_channels: int = 3,
        dimensions: int = 2,
        dropout: float = 0.0,
        width: int = 64,
    ) -> None:
        super().__init__()
        layers = layers_for(dimensions)
        grid, hidden = _GRID[dimensions], 64 * width
        self.features = _features(layers, depths, batch_norm, in_channels, width)
        self.avgpool = layers.adaptive_avg_pool(grid)
        self.classifier = nn.Sequential(
            nn.Linear(8 * width * grid**dimensions, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

        initialise_convolutions(self, mode="fan_out")
        for layer in self.classifier:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, *S)`, at least 32 pixels along each axis."""
        logits: Tensor = self.classifier(self.avgpool(self.features(images)).flatten(1))
        return logits


def vgg11(num_classes: int, **options: Unpack[ModelOptions]) -> VGG:
    """VGG-11; `options` as in `ModelOptions`."""
    return VGG(num_classes, _A, batch_norm=False, **options)


def vgg11_bn(num_classes: int, **options: Unpack[ModelOptions]) -> VGG:
    """VGG-11 with batch normalisation; `options` as in `ModelOptions`."""
    return VGG(num_classes, _A, batch_norm=True, **options)


def vgg13(num_classes: int, **options: Unpack[ModelOptions]) -> VGG:
    """VGG-13; `options` as in `ModelOptions`."""
    return VGG(num_classes, _B, batch_norm=False, **options)


def vgg13_bn(num_classes: int, **options: Unpack[ModelOptions]) -> VGG:
    """VGG-13 with batch normalisation; `options` as in `ModelOptions`."""
    return VGG(num_classes, _B, batch_norm=True, **options)


def vgg16(num_classes: int, **options: Unpack[ModelOptions]) -> VGG:
    """VGG-16; `options` as in `ModelOptions`."""
    return VGG(num_classes, _D, batch_norm=False, **options)


def vgg16_bn(num_classes: int, **options: Unpack[ModelOptions]) -> VGG:
    """VGG-16 with batch normalisation; `options` as in `ModelOptions`."""
    return VGG(num_classes, _D, batch_norm=True, **options)


def vgg19(num_classes: int, **options: Unpack[ModelOptions]) -> VGG:
    """VGG-19; `options` as in `ModelOptions`."""
    return VGG(num_classes, _E, batch_norm=False, **options)


def vgg19_bn(num_classes: int, **options: Unpack[ModelOptions]) -> VGG:
    """VGG-19 with batch normalisation; `options` as in `ModelOptions`."""
    return VGG(num_classes, _E, batch_norm=True, **options)
