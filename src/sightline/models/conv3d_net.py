"""3DConv: 3-D convolutions of stride 3 on the volume itself, three fully connected layers.

Reference:
    Draelos et al. 2021, doi:10.1016/j.media.2020.101857 (CT-Net's alternatives), and table 1 of Draelos and Carin 2020,
    arXiv:2011.08891; layers as in the released code.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Unpack

from torch import Tensor, nn

from sightline.models.layers import initialise_convolutions
from sightline.models.volume_layers import (
    PUBLISHED,
    VolumeOptions,
    check_volumes,
    checked_size,
    convolution_3d,
    dense_head,
    grid_after,
    scaled,
)


class Conv3DNet(nn.Module):
    """Four convolutions of kernel and stride 3, two of kernel 1: volumes `(N, 1, D, H, W)` to logits `(N, K)`.

    Args:
        num_classes: K.
        size: D, H, W.
        padding: 1 lets the convolutions of stride 3 read every place, as small volumes need; 0 whole windows alone.
        dropout: chance that a hidden feature of the head is dropped; 0.1 in the source.
        width: channels of the first convolution, from which all others follow; as published at 64.

    Raises:
        SettingsError: the volumes are too small.
    """

    def __init__(
        self,
        num_classes: int,
        size: Sequence[int] = PUBLISHED,
        *,
        padding: int = 0,
        dropout: float = 0.0,
        width: int | None = None,
    ) -> None:
        super().__init__()
        self.size = checked_size(size)
        self.features, convolution = nn.Sequential(), convolution_3d(padding)
        for before, after in pairwise((1, *scaled(width, 64, 128, 256, 512))):
            self.features.extend((convolution(before, after, 3, stride=3), nn.ReLU()))
        for before, after in pairwise(scaled(width, 512, 128, 64)):
            self.features.extend((nn.Conv3d(before, after, 1), nn.ReLU()))
        initialise_convolutions(self.features, mode="fan_in")
        grid = grid_after(self.features, self.size)
        self.head = dense_head(scaled(width, 64)[0] * prod(grid), width, num_classes, dropout)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, 1, D, H, W)`.

        Raises:
            ShapeError: the volumes have another size than the model is built for.
        """
        check_volumes(images, self.size)
        logits: Tensor = self.head(self.features(images).flatten(1))
        return logits


def conv3d_net(
    num_classes: int, *, padding: int = 0, dropout: float = 0.0, **options: Unpack[VolumeOptions]
) -> Conv3DNet:
    """3DConv; `padding` and `dropout` as in `Conv3DNet`, `options` as in `VolumeOptions`."""
    size = checked_size(options.get("size", PUBLISHED), options.get("in_channels", 1))
    return Conv3DNet(num_classes, size, padding=padding, dropout=dropout, width=options.get("width"))
