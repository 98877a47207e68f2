"""The last features of AxialNet and BodyCAM: a slice trunk, then convolutions that make them few."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Unpack

from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.models.layers import initialise_convolutions
from sightline.models.slice_trunk import SliceTrunk, TrunkOptions, build_trunk
from sightline.models.volume_layers import scaled


class SliceFeatures(nn.Module):
    """Volumes `(N, 1, D, H, W)` to features `(N, F, S, h, w)`, S of D / 3 groups of slices.

    The custom convolutions, 3×3 with a bias and a ReLU each, see one group at a time. So a place of the features knows
    of the three slices of its group and no others.

    Args:
        trunk: reads the groups.
        channels: of each custom convolution; none leaves the features of the trunk as they are.
        padding: of the custom convolutions, 0 or 1; 1 keeps the size of the maps.
        dropout: chance that a value of the features is dropped.

    Attributes:
        shape: F, S, h, w.

    Raises:
        SettingsError: the maps of the trunk are too small for the convolutions.
    """

    def __init__(self, trunk: SliceTrunk, channels: Sequence[int], *, padding: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        if padding not in (0, 1):
            raise SettingsError(f"padding must be 0 or 1, got {padding}")
        if any(each < 1 for each in channels):
            raise SettingsError(f"channels must be at least 1 each, got {list(channels)}")
        self.trunk, self.convolutions, self.dropout = trunk, nn.Sequential(), nn.Dropout(dropout)
        _, *grid = trunk.shape
        for before, after in pairwise((trunk.shape[0], *channels)):
            self.convolutions.extend((nn.Conv2d(before, after, 3, padding=padding), nn.ReLU()))
            grid = [side - 2 + 2 * padding for side in grid]
        if min(grid) < 1:
            raise SettingsError(
                f"{len(channels)} custom convolutions without padding leave nothing of maps of "
                f"{' x '.join(map(str, trunk.shape[1:]))}; set padding to 1, or fewer channels or trunk_stages"
            )
        self.shape = (channels[-1] if channels else trunk.shape[0], trunk.slices, *grid)
        initialise_convolutions(self.convolutions, mode="fan_in")

    def forward(self, volumes: Tensor) -> Tensor:
        """Return the features `(N, F, S, h, w)` of `volumes` `(N, 1, D, H, W)`."""
        maps: Tensor = self.dropout(self.convolutions(self.trunk(volumes)))
        return maps.reshape(-1, self.trunk.slices, *maps.shape[1:]).transpose(1, 2)


def slice_features(
    *, channels: Sequence[int] | None = None, padding: int = 0, dropout: float = 0.0, **options: Unpack[TrunkOptions]
) -> SliceFeatures:
    """Build slice features.

    Args:
        channels: of each custom convolution; None: as published, 64, 32, 16, 16 at a width of 64.
        padding: see `SliceFeatures`.
        dropout: see `SliceFeatures`.
        **options: as in `TrunkOptions`.
    """
    chosen = scaled(options.get("width"), 64, 32, 16, 16) if channels is None else channels
    return SliceFeatures(build_trunk(**options), chosen, padding=padding, dropout=dropout)
