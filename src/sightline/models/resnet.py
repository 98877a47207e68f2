"""ResNet, 2-D and 3-D, with torchvision's state-dict keys.

The stride of a bottleneck is in its 3×3 convolution ("v1.5"), as in torchvision; the paper has it in the first 1×1.

Reference:
    He et al. 2016, doi:10.1109/CVPR.2016.90 (table 1).
"""

from typing import Unpack

from torch import Tensor, nn

from sightline.models.layers import Layers, ModelOptions, initialise_convolutions, layers_for


def _shortcut(layers: Layers, channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and channels == out_channels:
        return None
    return nn.Sequential(layers.conv(channels, out_channels, 1, stride=stride, bias=False), layers.norm(out_channels))


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut: `channels` to `planes` channels.

    Args:
        layers: layer types for 2-D or 3-D.
        channels: channels of the input.
        planes: channels of the convolutions and of the output.
        stride: step of the first convolution and of the shortcut.
    """

    expansion = 1

    def __init__(self, layers: Layers, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = layers.conv(channels, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = layers.norm(planes)
        self.relu1 = nn.ReLU()
        self.conv2 = layers.conv(planes, planes, 3, padding=1, bias=False)
        self.bn2 = layers.norm(planes)
        self.downsample = _shortcut(layers, channels, planes, stride)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map `(N, channels, *S)` to `(N, planes, *S / stride)`."""
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        result: Tensor = self.relu2(out + (x if self.downsample is None else self.downsample(x)))
        return result


class Bottleneck(nn.Module):
    """A 1×1, a 3×3 and a 1×1 convolution beside a shortcut: `channels` to `4 * planes` channels.

    Args:
        layers: layer types for 2-D or 3-D.
        channels: channels of the input.
        planes: channels of the first two convolutions.
        stride: step of the 3×3 convolution and of the shortcut.
    """

    expansion = 4

    def __init__(self, layers: Layers, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = layers.conv(channels, planes, 1, bias=False)
        self.bn1 = layers.norm(planes)
        self.relu1 = nn.ReLU()
        self.conv2 = layers.conv(planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = layers.norm(planes)
        self.relu2 = nn.ReLU()
        self.conv3 = layers.conv(planes, planes * self.expansion, 1, bias=False)
        self.bn3 = layers.norm(planes * self.expansion)
        self.downsample = _shortcut(layers, channels, planes * self.expansion, stride)
        self.relu3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map `(N, channels, *S)` to `(N, 4 * planes, *S / stride)`."""
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.relu2(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        result: Tensor = self.relu3(out + (x if self.downsample is None else self.downsample(x)))
        return result


def _stage(
    layers: Layers, block: type[BasicBlock] | type[Bottleneck], channels: int, planes: int, depth: int, *, stride: int
) -> nn.Sequential:
    first = block(layers, channels, planes, stride)
    return nn.Sequential(first, *(block(layers, planes * block.expansion, planes, 1) for _ in range(depth - 1)))


class ResNet(nn.Module):
    """Residual classifier: images `(N, C, *S)` to logits `(N, K)`.

    Args:
        num_classes: K.
        block: `BasicBlock` or `Bottleneck`.
        depths: number of blocks in each of the four stages.
        in_channels: C.
        dimensions: number of spatial axes, 2 or 3.
        dropout: chance that a feature is dropped before the last layer.
        width: channels of the first stage; each further stage has twice as many.

    Raises:
        SettingsError: `dimensions` is neither 2 nor 3.
    """

    def __init__(
        self,
        num_classes: int,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, int, int, int],
        *,
        in_channels: int = 3,
        dimensions: int = 2,
        dropout: float = 0.0,
        width: int = 64,
    ) -> None:
        super().__init__()
        layers = layers_for(dimensions)
        self.conv1 = layers.conv(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = layers.norm(width)
        self.relu = nn.ReLU()
        self.maxpool = layers.max_pool(3, stride=2, padding=1)
        out = block.expansion * width
        self.layer1 = _stage(layers, block, width, width, depths[0], stride=1)
        self.layer2 = _stage(layers, block, out, 2 * width, depths[1], stride=2)
        self.layer3 = _stage(layers, block, 2 * out, 4 * width, depths[2], stride=2)
        self.layer4 = _stage(layers, block, 4 * out, 8 * width, depths[3], stride=2)
        self.avgpool = layers.adaptive_avg_pool(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(8 * out, num_classes)

        initialise_convolutions(self, mode="fan_out")

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, *S)`."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return logits


def resnet18(num_classes: int, **options: Unpack[ModelOptions]) -> ResNet:
    """ResNet-18; `options` as in `ModelOptions`."""
    return ResNet(num_classes, BasicBlock, (2, 2, 2, 2), **options)


def resnet34(num_classes: int, **options: Unpack[ModelOptions]) -> ResNet:
    """ResNet-34; `options` as in `ModelOptions`."""
    return ResNet(num_classes, BasicBlock, (3, 4, 6, 3), **options)


def resnet50(num_classes: int, **options: Unpack[ModelOptions]) -> ResNet:
    """ResNet-50; `options` as in `ModelOptions`."""
    return ResNet(num_classes, Bottleneck, (3, 4, 6, 3), **options)


def resnet101(num_classes: int, **options: Unpack[ModelOptions]) -> ResNet:
    """ResNet-101; `options` as in `ModelOptions`."""
    return ResNet(num_classes, Bottleneck, (3, 4, 23, 3), **options)
