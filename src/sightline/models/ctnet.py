"""CT-Net: a slice trunk, 3-D convolutions over its features whose channels are the slices, three linear layers.

Reference:
    Draelos et al. 2021, doi:10.1016/j.media.2020.101857; layers as in the released code. There the volumes have 402
    slices, in Draelos and Carin 2020, arXiv:2011.08891, table 1, they have 405.
"""

from math import prod
from typing import Unpack

from torch import Tensor, nn

from sightline.models.slice_trunk import SliceTrunk, TrunkOptions, build_trunk
from sightline.models.volume_layers import dense_head, grid_after, reducing_convolutions, scaled


class CTNet(nn.Module):
    """Convolutions over features, rows and columns: volumes `(N, 1, D, H, W)` to logits `(N, K)`.

    The slices are the channels of the 3-D convolutions, so what they give lies nowhere along the body: no class
    activation map can be drawn at them. LRP reaches the voxels.

    Args:
        num_classes: K.
        trunk: reads groups of slices.
        padding: 1 lets the 3-D convolutions read every place, as small volumes need; 0 whole windows alone.
        dropout: chance that a hidden feature of the head is dropped; 0.5 in the source.
        width: of the 3-D convolutions and the head, as published at 64.

    Raises:
        SettingsError: the maps of the trunk are too few or too small.
    """

    def __init__(
        self, num_classes: int, trunk: SliceTrunk, *, padding: int = 0, dropout: float = 0.0, width: int | None = None
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.mixing = reducing_convolutions(trunk.slices, width, padding)
        grid = grid_after(self.mixing, trunk.shape)
        self.head = dense_head(scaled(width, 16)[0] * prod(grid), width, num_classes, dropout)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, 1, D, H, W)`.

        Raises:
            ShapeError: the volumes have another size than the model is built for.
        """
        maps = self.trunk(images)
        maps = maps.reshape(-1, self.trunk.slices, *maps.shape[1:])  # (N, S, F, h, w)
        logits: Tensor = self.head(self.mixing(maps).flatten(1))
        return logits


def ctnet(num_classes: int, *, padding: int = 0, dropout: float = 0.0, **options: Unpack[TrunkOptions]) -> CTNet:
    """CT-Net; `padding` and `dropout` as in `CTNet`, `options` as in `TrunkOptions`."""
    return CTNet(num_classes, build_trunk(**options), padding=padding, dropout=dropout, width=options.get("width"))
