"""Blocks of the U-Nets that draw where a reader looks: two contracting paths, an expanding one, and their heads."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError
from sightline.models.layers import Layers

Block = Literal["plain", "residual_se"]

_STAGES = 5  # of the contracting path: 1/1 to 1/16
_SQUEEZE = 16  # channels to one of the hidden layer of a gate


def plain_block(layers: Layers, channels: int, planes: int) -> nn.Sequential:
    """Convolution 3 × 3, batch normalisation, ReLU, twice."""
    return nn.Sequential(*_normalised(layers, channels, planes), *_normalised(layers, planes, planes))


def residual_se_block(layers: Layers, channels: int, planes: int) -> nn.Sequential:
    """A residual block whose channels are gated by squeeze and excitation."""
    return nn.Sequential(_Residual(layers, channels, planes), _SqueezeExcitation(layers, planes))


_BLOCKS: dict[Block, Callable[[Layers, int, int], nn.Module]] = {
    "plain": plain_block,
    "residual_se": residual_se_block,
}


class _Residual(nn.Module):
    """Two convolutions beside a third, which is the shortcut whatever the number of channels; it is not normalised."""

    def __init__(self, layers: Layers, channels: int, planes: int) -> None:
        super().__init__()
        self.conv1 = layers.conv(channels, planes, 3, padding=1)
        self.norm1 = layers.norm(planes)
        self.relu1 = nn.ReLU()
        self.conv2 = layers.conv(planes, planes, 3, padding=1)
        self.norm2 = layers.norm(planes)
        self.shortcut = layers.conv(channels, planes, 3, padding=1)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        result: Tensor = self.relu2(y + self.shortcut(x))
        return result


class _SqueezeExcitation(nn.Module):
    """Scales each channel by a gate in (0, 1) that is computed from the means of all channels."""

    def __init__(self, layers: Layers, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // _SQUEEZE)
        self.squeeze = layers.adaptive_avg_pool(1)
        self.excite = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, channels, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.excite(self.squeeze(x).flatten(1))
        return x * gate.reshape(*gate.shape, *(1,) * (x.ndim - 2))


class Contracting(nn.Module):
    """Five stages of doubling channels, with maximum pooling by 2 in between.

    Args:
        layers: layer types for the number of spatial axes.
        block: what a stage is made of.
        in_channels: C of the images.
        width: channels of the first stage.

    Attributes:
        planes: channels of each stage.

    Raises:
        SettingsError: there is no such block.
    """

    def __init__(self, layers: Layers, block: Block, in_channels: int, width: int) -> None:
        super().__init__()
        if block not in _BLOCKS:
            raise SettingsError(f"block must be one of {', '.join(_BLOCKS)}, got {block!r}")
        self.planes = [width * 2**stage for stage in range(_STAGES)]
        pairs = zip([in_channels, *self.planes[:-1]], self.planes, strict=True)
        self.stages = nn.ModuleList(_BLOCKS[block](layers, before, after) for before, after in pairs)
        self.pools = nn.ModuleList(layers.max_pool(2) for _ in range(_STAGES - 1))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps of each stage, from the size of the images to a 16th of it."""
        maps = [self.stages[0](images)]
        for pool, stage in zip(self.pools, self.stages[1:], strict=True):
            maps.append(stage(pool(maps[-1])))
        return maps


class Expanding(nn.Module):
    """Steps that double the size, append the maps of the contracting path, and convolve twice.

    Args:
        layers: layer types for the number of spatial axes.
        channels: of the deepest maps.
        skipped: channels of the maps that are appended, from deep to shallow.
        planes: channels that each step ends with.
    """

    def __init__(self, layers: Layers, channels: int, skipped: Sequence[int], planes: Sequence[int]) -> None:
        super().__init__()
        self.enlarge, self.blocks = nn.ModuleList(), nn.ModuleList()
        for skip, count in zip(skipped, planes, strict=True):
            self.enlarge.append(nn.Sequential(nn.Upsample(scale_factor=2), *_normalised(layers, channels, count)))
            self.blocks.append(plain_block(layers, skip + count, count))
            channels = count

    def forward(self, maps: Tensor, skipped: Sequence[Tensor]) -> Tensor:
        """Return the shallowest maps; `skipped` from deep to shallow."""
        for enlarge, block, kept in zip(self.enlarge, self.blocks, skipped, strict=True):
            maps = block(torch.cat([kept, enlarge(maps)], dim=1))
        return maps


def saliency_head(layers: Layers, channels: int) -> nn.Sequential:
    """One map of logits; the softmax over its pixels is left to the loss."""
    return nn.Sequential(*_normalised(layers, channels, channels), layers.conv(channels, 1, 1))


def classification_head(features: int, hidden: int, num_classes: int, dropout: float) -> nn.Sequential:
    """Two fully connected layers; what is dropped is dropped before the ReLU."""
    return nn.Sequential(nn.Linear(features, hidden), nn.Dropout(dropout), nn.ReLU(), nn.Linear(hidden, num_classes))


def check_size(images: Tensor, dimensions: int, multiple: int) -> None:
    """Refuse images whose sides cannot be halved as often as the network does.

    Raises:
        ShapeError: another number of axes, or a side that is no multiple.
    """
    if images.ndim != 2 + dimensions or any(side % multiple for side in images.shape[2:]):
        raise ShapeError(
            f"images must have {2 + dimensions} axes (N, C, *S) and sides that are multiples of {multiple}, "
            f"got {tuple(images.shape)}; resize or pad them"
        )


def _normalised(layers: Layers, channels: int, planes: int) -> tuple[nn.Module, ...]:
    return layers.conv(channels, planes, 3, padding=1), layers.norm(planes), nn.ReLU()
