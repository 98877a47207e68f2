"""EfficientNet-B0, 2-D and 3-D, with timm's state-dict keys.

Reference:
    Tan & Le 2019, arXiv:1905.11946 (table 1); drop path: Huang et al. 2016, arXiv:1603.09382.
"""

import math
from typing import NamedTuple, Unpack

import torch.nn.functional as F
from torch import Tensor, nn

from sightline.models.layers import Layers, ModelOptions, layers_for


class _Stage(NamedTuple):
    depth: int
    kernel: int
    stride: int
    expansion: int
    planes: int


_B0 = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_WIDTH = 32  # channels of the stem in the paper
_TAPS = (1, 2, 4, 6)  # stages at whose end the resolution is about to change


class _Padded2d(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_padded(x, self.kernel_size[0], self.stride[0]))


class _Padded3d(nn.Conv3d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_padded(x, self.kernel_size[0], self.stride[0]))


class _Parts:
    """Makes the layers of one network.

    Args:
        layers: for its number of spatial axes.
        tensorflow: as in `EfficientNet`.
    """

    def __init__(self, layers: Layers, *, tensorflow: bool) -> None:
        self.layers, self.tensorflow = layers, tensorflow

    def conv(self, channels: int, planes: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Module:
        if self.tensorflow and stride > 1:
            kind = _Padded2d if self.layers.conv is nn.Conv2d else _Padded3d
            return kind(channels, planes, kernel, stride=stride, groups=groups, bias=False)
        padding = kernel // 2
        return self.layers.conv(channels, planes, kernel, stride=stride, padding=padding, groups=groups, bias=False)

    def norm(self, channels: int) -> nn.Module:
        return self.layers.norm(channels, eps=1e-3 if self.tensorflow else 1e-5)


class _SqueezeExcitation(nn.Module):
    """Scale each channel by a gate between 0 and 1 that all of them together decide on."""

    def __init__(self, layers: Layers, channels: int, squeezed: int) -> None:
        super().__init__()
        self.pool = layers.adaptive_avg_pool(1)
        self.conv_reduce = layers.conv(channels, squeezed, 1)
        self.act1 = nn.SiLU()
        self.conv_expand = layers.conv(squeezed, channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.gate(self.conv_expand(self.act1(self.conv_reduce(self.pool(x)))))
        return x * gate


class _DropPath(nn.Module):
    """Drop a branch altogether in some images of a training batch, and scale it up in the others."""

    def __init__(self, chance: float) -> None:
        super().__init__()
        self.chance = chance

    def forward(self, x: Tensor) -> Tensor:
        kept = F.dropout(x.new_ones(len(x), *(1 for _ in x.shape[1:])), self.chance, self.training)
        return x * kept if self.training and self.chance else x


class _Separable(nn.Module):
    """Depthwise and pointwise convolution, without an expansion before."""

    def __init__(self, parts: _Parts, channels: int, stage: _Stage, stride: int, drop_path: float) -> None:
        super().__init__()
        self.conv_dw = parts.conv(channels, channels, stage.kernel, stride=stride, groups=channels)
        self.bn1 = parts.norm(channels)
        self.act1 = nn.SiLU()
        self.se = _SqueezeExcitation(parts.layers, channels, max(1, round(channels / 4)))
        self.conv_pw = parts.conv(channels, stage.planes, 1)
        self.bn2 = parts.norm(stage.planes)
        self.drop_path = _DropPath(drop_path)
        self.skips = stride == 1 and channels == stage.planes

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.se(self.act1(self.bn1(self.conv_dw(x))))
        y = self.bn2(self.conv_pw(y))
        return x + self.drop_path(y) if self.skips else y


class _Inverted(nn.Module):
    """Pointwise expansion, depthwise convolution, pointwise reduction."""

    def __init__(self, parts: _Parts, channels: int, stage: _Stage, stride: int, drop_path: float) -> None:
        super().__init__()
        middle = channels * stage.expansion
        self.conv_pw = parts.conv(channels, middle, 1)
        self.bn1 = parts.norm(middle)
        self.act1 = nn.SiLU()
        self.conv_dw = parts.conv(middle, middle, stage.kernel, stride=stride, groups=middle)
        self.bn2 = parts.norm(middle)
        self.act2 = nn.SiLU()
        self.se = _SqueezeExcitation(parts.layers, middle, max(1, round(channels / 4)))
        self.conv_pwl = parts.conv(middle, stage.planes, 1)
        self.bn3 = parts.norm(stage.planes)
        self.drop_path = _DropPath(drop_path)
        self.skips = stride == 1 and channels == stage.planes

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act1(self.bn1(self.conv_pw(x)))
        y = self.se(self.act2(self.bn2(self.conv_dw(y))))
        y = self.bn3(self.conv_pwl(y))
        return x + self.drop_path(y) if self.skips else y


class EfficientNetFeatures(nn.Module):
    """The stem and the blocks of EfficientNet-B0: images to feature maps of falling resolution.

    Args:
        in_channels: C.
        dimensions: number of spatial axes, 2 or 3.
        width: channels of the stem, 32 in the paper, from which all others follow.
        drop_path: chance that the last block's branch is dropped in a training image; it rises linearly from 0.
        tensorflow: pad before strided convolutions as TensorFlow does, the odd pixel at the end, and normalise with its
            ε of 1e-3, as timm's `tf_efficientnet_b0`; by default as timm's `efficientnet_b0`.

    Attributes:
        channels: of the five maps.

    Raises:
        SettingsError: `dimensions` is neither 2 nor 3.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        dimensions: int = 2,
        width: int = _WIDTH,
        drop_path: float = 0.0,
        tensorflow: bool = False,
    ) -> None:
        super().__init__()
        parts = _Parts(layers_for(dimensions), tensorflow=tensorflow)
        stages = [stage._replace(planes=max(1, stage.planes * width // _WIDTH)) for stage in _B0]
        total, done, channels = sum(stage.depth for stage in stages), 0, width
        self.conv_stem = parts.conv(in_channels, width, 3, stride=2)
        self.bn1 = parts.norm(width)
        self.act1 = nn.SiLU()
        self.blocks = nn.Sequential()
        for stage in stages:
            kind, blocks = (_Separable if stage.expansion == 1 else _Inverted), nn.Sequential()
            for number in range(stage.depth):
                stride = 1 if number else stage.stride
                blocks.append(kind(parts, channels, stage, stride, drop_path * done / total))
                channels, done = stage.planes, done + 1
            self.blocks.append(blocks)
        self.channels = (width, *(stages[index].planes for index in _TAPS))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the five maps of `images` `(N, C, *S)`, at 1/2, 1/4, 1/8, 1/16 and 1/32 of their sides, rounded up."""
        x = self.act1(self.bn1(self.conv_stem(images)))
        maps = [x]
        for index, blocks in enumerate(self.blocks):
            x = blocks(x)
            if index in _TAPS:
                maps.append(x)
        return maps


class EfficientNet(EfficientNetFeatures):
    """EfficientNet-B0: images `(N, C, *S)` to logits `(N, K)`.

    Args:
        num_classes: K.
        in_channels: C.
        dimensions: number of spatial axes, 2 or 3.
        dropout: chance that a feature is dropped before the last layer; 0.2 in the paper.
        width: as in `EfficientNetFeatures`.
        drop_path: as in `EfficientNetFeatures`; 0.2 in the paper.
        tensorflow: as in `EfficientNetFeatures`.

    Raises:
        SettingsError: `dimensions` is neither 2 nor 3.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        dimensions: int = 2,
        dropout: float = 0.0,
        width: int = _WIDTH,
        drop_path: float = 0.0,
        tensorflow: bool = False,
    ) -> None:
        super().__init__(
            in_channels=in_channels, dimensions=dimensions, width=width, drop_path=drop_path, tensorflow=tensorflow
        )
        parts = _Parts(layers_for(dimensions), tensorflow=tensorflow)
        channels = 40 * width  # 1280 in the paper
        self.conv_head = parts.conv(self.channels[-1], channels, 1)
        self.bn2 = parts.norm(channels)
        self.act2 = nn.SiLU()
        self.global_pool = parts.layers.adaptive_avg_pool(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)
        initialise_efficientnet(self)

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]  # timm's names leave no level between
        """Return the logits `(N, K)` of `images` `(N, C, *S)`."""
        features = self.act2(self.bn2(self.conv_head(super().forward(images)[-1])))
        logits: Tensor = self.classifier(self.dropout(self.global_pool(features).flatten(1)))
        return logits


def initialise_efficientnet(model: nn.Module) -> None:
    r"""Draw the weights of all convolutions and linear layers in `model` as the authors' code does.

    Convolutions: $\mathcal N(0, 2 / n)$ with $n$ the number of outputs of a kernel, its group's alone. Linear layers:
    uniform within $\pm 1 / \sqrt{K}$. Biases are 0.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            outputs = module.out_channels // module.groups * math.prod(module.kernel_size)
            nn.init.normal_(module.weight, 0, math.sqrt(2 / outputs))
        elif isinstance(module, nn.Linear):
            limit = 1 / math.sqrt(module.out_features)
            nn.init.uniform_(module.weight, -limit, limit)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def efficientnet_b0(
    num_classes: int, *, drop_path: float = 0.0, tensorflow: bool = False, **options: Unpack[ModelOptions]
) -> EfficientNet:
    """EfficientNet-B0; `options` as in `ModelOptions`, with a width of 32 as published."""
    return EfficientNet(num_classes, drop_path=drop_path, tensorflow=tensorflow, **options)


def _padded(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad so that each stride has its output, the odd pixel at the end."""
    pads: list[int] = []
    for size in reversed(x.shape[2:]):
        missing = max(0, (math.ceil(size / stride) - 1) * stride + kernel - size)
        pads += [missing // 2, missing - missing // 2]
    return F.pad(x, pads)
