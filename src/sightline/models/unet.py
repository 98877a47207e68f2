"""U-Net, 2-D and 3-D: images to a map of logits of the same size.

Reference:
    Ronneberger, Fischer and Brox 2015, arXiv:1505.04597, figure 1; in 3-D Cicek et al. 2016, arXiv:1606.06650.
"""

import torch
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError
from sightline.models.layers import Layers, initialise_convolutions, layers_for


def _convolutions(layers: Layers, channels: int, planes: int, *, batch_norm: bool) -> nn.Sequential:
    """Two convolutions 3 × 3, each followed by a ReLU."""
    block = nn.Sequential()
    for inputs in (channels, planes):
        block.append(layers.conv(inputs, planes, 3, padding=1, bias=not batch_norm))
        if batch_norm:
            block.append(layers.norm(planes))
        block.append(nn.ReLU())
    return block


class UNet(nn.Module):
    """A contracting path, an expanding path, and a connection between the two at each resolution.

    Each of `depth` stages halves the resolution and doubles the channels, from `width` on. Unlike in the paper the
    convolutions are padded, so that logits and images are of one size, nothing is dropped, and batch normalisation may
    follow each convolution. Sides may be odd: pooling rounds up, and the expanding path cuts off what is too much.

    Args:
        num_classes: K, number of logits a pixel.
        in_channels: C.
        dimensions: number of spatial axes, 2 or 3.
        width: channels of the first stage, 64 in the paper.
        depth: how often the resolution is halved, 4 in the paper.
        batch_norm: normalise after each convolution; the paper does not.

    Raises:
        SettingsError: an argument is out of its range.
    """

    def __init__(
        self,
        num_classes: int = 1,
        *,
        in_channels: int = 1,
        dimensions: int = 2,
        width: int = 64,
        depth: int = 4,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if min(num_classes, in_channels, width, depth) < 1:
            raise SettingsError(
                "num_classes, in_channels, width and depth of a U-Net must be at least 1, "
                f"got {num_classes}, {in_channels}, {width}, {depth}"
            )
        layers = layers_for(dimensions)
        up = nn.ConvTranspose2d if dimensions == 2 else nn.ConvTranspose3d
        planes = [width * 2**stage for stage in range(depth + 1)]
        self.dimensions = dimensions
        self.down = nn.ModuleList(
            _convolutions(layers, before, after, batch_norm=batch_norm)
            for before, after in zip([in_channels, *planes], planes, strict=False)
        )
        self.pool = nn.ModuleList(layers.max_pool(2, ceil_mode=True) for _ in range(depth))
        self.enlarge = nn.ModuleList(up(2 * count, count, 2, stride=2) for count in reversed(planes[:-1]))
        self.up = nn.ModuleList(
            _convolutions(layers, 2 * count, count, batch_norm=batch_norm) for count in reversed(planes[:-1])
        )
        self.head = layers.conv(width, num_classes, 1)
        initialise_convolutions(self, mode="fan_in")

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K, *S)` of `images` `(N, C, *S)`.

        Raises:
            ShapeError: the images have another number of axes.
        """
        logits: Tensor = self.head(self.expand(*self.contract(images)))
        return logits

    def contract(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the maps at the end of the contracting path, and those of each stage before.

        Raises:
            ShapeError: the images have another number of axes.
        """
        if images.ndim != 2 + self.dimensions:
            raise ShapeError(f"images must have {2 + self.dimensions} axes (N, C, *S), got {tuple(images.shape)}")
        maps, kept = self.down[0](images), []
        for pool, convolutions in zip(self.pool, self.down[1:], strict=True):
            kept.append(maps)
            maps = convolutions(pool(maps))
        return maps, kept

    def expand(self, maps: Tensor, kept: list[Tensor]) -> Tensor:
        """Return the maps `(N, width, *S)` at the end of the expanding path, of what `contract` returned."""
        for enlarge, convolutions, skipped in zip(self.enlarge, self.up, reversed(kept), strict=True):
            maps = enlarge(maps)
            for axis in range(2, maps.ndim):
                maps = maps.narrow(axis, 0, skipped.shape[axis])
            maps = convolutions(torch.cat([skipped, maps], dim=1))
        return maps
