"""Inception-ResNet-v2, with timm's state-dict keys.

The layers are those of the weights that were published, which timm's are: their stem is Inception-v3's and not that of
the paper's figure 3, and the residuals are scaled by 0.17, 0.10 and 0.20.

Reference:
    Szegedy et al. 2017, arXiv:1602.07261, section 3.2.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from sightline.models.layers import initialise_convolutions

_WIDTH = 32  # channels of the first stage, as published
_EPS = 1e-3  # of the batch normalisations
Size = int | tuple[int, int]
Chain = Sequence[tuple[int, Size]]
Scale = Callable[[int], int]


class _Convolution(nn.Sequential):
    def __init__(self, channels: int, planes: int, kernel: Size, *, stride: int = 1, pad: bool = True) -> None:
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if pad else (0, 0)
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(channels, planes, sides, stride=stride, padding=padding, bias=False),
                bn=nn.BatchNorm2d(planes, eps=_EPS),
                act=nn.ReLU(),
            )
        )


def _chain(channels: int, *layers: tuple[int, Size], shrink: bool = False) -> nn.Sequential:
    """Convolutions of (channels, kernel) one after the other; with `shrink` the last has stride 2 and no padding."""
    chain = nn.Sequential()
    for i, (planes, kernel) in enumerate(layers, start=1):
        last = shrink and i == len(layers)
        chain.append(_Convolution(channels, planes, kernel, stride=2 if last else 1, pad=not last))
        channels = planes
    return chain


class _Branches(nn.Module):
    """Several ways side by side, their channels one after the other."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        for i, branch in enumerate(branches):
            self.add_module(f"branch{i}", branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], 1)


class _Residual(nn.Module):
    """Two or three ways side by side, brought back to the channels of the input and added to it."""

    def __init__(self, channels: int, *chains: Chain, scale: float, rectified: bool = True) -> None:
        super().__init__()
        self.scale, self.ways = scale, len(chains)
        for i, chain in enumerate(chains):
            branch = _Convolution(channels, *chain[0]) if len(chain) == 1 else _chain(channels, *chain)
            self.add_module(f"branch{i}", branch)
        self.conv2d = nn.Conv2d(sum(chain[-1][0] for chain in chains), channels, 1)
        self.act = nn.ReLU() if rectified else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = torch.cat([self.get_submodule(f"branch{i}")(x) for i in range(self.ways)], 1)
        result: Tensor = self.act(x + self.scale * self.conv2d(out))
        return result


def _block35(channels: int, s: Scale) -> _Residual:
    chains = ([(s(32), 1)], [(s(32), 1), (s(32), 3)], [(s(32), 1), (s(48), 3), (s(64), 3)])
    return _Residual(channels, *chains, scale=0.17)


def _block17(channels: int, s: Scale) -> _Residual:
    return _Residual(channels, [(s(192), 1)], [(s(128), 1), (s(160), (1, 7)), (s(192), (7, 1))], scale=0.1)


def _block8(channels: int, s: Scale, *, scale: float = 0.2, rectified: bool = True) -> _Residual:
    chains: tuple[Chain, ...] = ([(s(192), 1)], [(s(192), 1), (s(224), (1, 3)), (s(256), (3, 1))])
    return _Residual(channels, *chains, scale=scale, rectified=rectified)


class InceptionResNetV2(nn.Module):
    """Inception blocks beside shortcuts: images `(N, C, H, W)` to logits `(N, K)`.

    Args:
        num_classes: K.
        blocks: number of residual blocks of each of the three kinds.
        in_channels: C.
        dropout: chance that a feature is dropped before the last layer.
        width: channels of the first stage, from which all others follow.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        blocks: tuple[int, int, int] = (10, 20, 10),
        in_channels: int = 3,
        dropout: float = 0.0,
        width: int = _WIDTH,
    ) -> None:
        super().__init__()

        def s(channels: int) -> int:
            return max(1, channels * width // _WIDTH)

        self.conv2d_1a = _Convolution(in_channels, s(32), 3, stride=2, pad=False)
        self.conv2d_2a = _Convolution(s(32), s(32), 3, pad=False)
        self.conv2d_2b = _Convolution(s(32), s(64), 3)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = _Convolution(s(64), s(80), 1)
        self.conv2d_4a = _Convolution(s(80), s(192), 3, pad=False)
        self.maxpool_5a = nn.MaxPool2d(3, stride=2)
        self.mixed_5b = _Branches(
            _Convolution(s(192), s(96), 1),
            _chain(s(192), (s(48), 1), (s(64), 5)),
            _chain(s(192), (s(64), 1), (s(96), 3), (s(96), 3)),
            nn.Sequential(
                nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False), _Convolution(s(192), s(64), 1)
            ),
        )
        channels = s(96) + s(64) + s(96) + s(64)
        self.repeat = nn.Sequential(*(_block35(channels, s) for _ in range(blocks[0])))
        self.mixed_6a = _Branches(
            _Convolution(channels, s(384), 3, stride=2, pad=False),
            _chain(channels, (s(256), 1), (s(256), 3), (s(384), 3), shrink=True),
            nn.MaxPool2d(3, stride=2),
        )
        channels += s(384) + s(384)
        self.repeat_1 = nn.Sequential(*(_block17(channels, s) for _ in range(blocks[1])))
        self.mixed_7a = _Branches(
            _chain(channels, (s(256), 1), (s(384), 3), shrink=True),
            _chain(channels, (s(256), 1), (s(288), 3), shrink=True),
            _chain(channels, (s(256), 1), (s(288), 3), (s(320), 3), shrink=True),
            nn.MaxPool2d(3, stride=2),
        )
        channels += s(384) + s(288) + s(320)
        self.repeat_2 = nn.Sequential(*(_block8(channels, s) for _ in range(blocks[2] - 1)))
        self.block8 = _block8(channels, s, scale=1.0, rectified=False)
        self.conv2d_7b = _Convolution(channels, s(1536), 1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classif = nn.Linear(s(1536), num_classes)

        initialise_convolutions(self, mode="fan_in")
        nn.init.zeros_(self.classif.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, H, W)`, at least 75 pixels along each axis."""
        x = self.maxpool_3a(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(images))))
        x = self.maxpool_5a(self.conv2d_4a(self.conv2d_3b(x)))
        x = self.repeat(self.mixed_5b(x))
        x = self.repeat_1(self.mixed_6a(x))
        x = self.conv2d_7b(self.block8(self.repeat_2(self.mixed_7a(x))))
        logits: Tensor = self.classif(self.dropout(self.avgpool(x).flatten(1)))
        return logits


def inception_resnet_v2(
    num_classes: int, *, in_channels: int = 3, dropout: float = 0.0, width: int = _WIDTH
) -> InceptionResNetV2:
    """Inception-ResNet-v2; options as of `InceptionResNetV2`."""
    return InceptionResNetV2(num_classes, in_channels=in_channels, dropout=dropout, width=width)
