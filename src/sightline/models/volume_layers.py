"""What the volume models share: the size they are built for, and layers."""

import math
from collections.abc import Sequence
from typing import TypedDict

import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError
from sightline.models.layers import initialise_convolutions

Size = tuple[int, int, int]
PUBLISHED = (405, 420, 420)  # voxels of 0.8 mm
_WIDTH = 64  # of the first stage, as published


class VolumeOptions(TypedDict, total=False):
    """Options of every volume model.

    Attributes:
        size: slices, rows and columns (D, H, W) of the volumes; 405, 420, 420 when left out, as published.
        in_channels: channels of the volumes, 1.
        width: channels of the first stage, from which all others follow; as published when left out.
    """

    size: Sequence[int]
    in_channels: int
    width: int


def checked_size(size: Sequence[int], in_channels: int = 1) -> Size:
    """Return the size of a volume as a tuple.

    Raises:
        SettingsError: it is not three whole numbers of at least 1, or volumes are to have several channels.
    """
    if len(size) != 3 or not all(isinstance(side, int) and side > 0 for side in size):
        raise SettingsError(f"size must be slices, rows and columns of the volumes, such as 405, 420, 420, got {size}")
    if in_channels != 1:
        raise SettingsError(f"in_channels of a volume model must be 1, got {in_channels}; set model.in_channels=1")
    depth, height, width = size
    return depth, height, width


def check_volumes(volumes: Tensor, size: Size) -> None:
    """Raise ShapeError where `volumes` are not `(N, 1, *size)`."""
    if tuple(volumes.shape[1:]) != (1, *size):
        raise ShapeError(
            f"volumes must be (N, 1, {', '.join(map(str, size))}), as the model is built, got {tuple(volumes.shape)}; "
            "pad or crop them, or build the model for their size (model.options.size)"
        )


def grid_after(convolutions: nn.Sequential, grid: Sequence[int]) -> tuple[int, ...]:
    """Return the size of what 3-D convolutions make of a volume or of features, without its channels.

    Args:
        convolutions: those of `convolution_3d`, and modules that keep the size.
        grid: size of the input.

    Raises:
        SettingsError: nothing is left.
    """
    sides = tuple(grid)
    for layer in convolutions:
        if isinstance(layer, PaddedConv3d):
            sides = tuple(math.ceil(n / s) for n, s in zip(sides, layer.stride, strict=True))
        elif isinstance(layer, nn.Conv3d):
            sides = tuple((n - k) // s + 1 for n, k, s in zip(sides, layer.kernel_size, layer.stride, strict=True))
        if min(sides) < 1:
            raise SettingsError(
                f"3-D convolutions without padding leave nothing of {' x '.join(map(str, grid))}; set padding to 1, or "
                "choose larger volumes"
            )
    return sides


def dense_head(features: int, width: int | None, num_classes: int, dropout: float) -> nn.Sequential:
    """Three fully connected layers, of 128 and 96 hidden features at a width of 64."""
    hidden = scaled(width, 128, 96)
    return nn.Sequential(
        *(nn.Linear(features, hidden[0]), nn.ReLU(), nn.Dropout(dropout)),
        *(nn.Linear(hidden[0], hidden[1]), nn.ReLU(), nn.Dropout(dropout)),
        nn.Linear(hidden[1], num_classes),
    )


def scaled(width: int | None, *channels: int) -> tuple[int, ...]:
    """Numbers of channels at another width than 64, each at least 1."""
    return tuple(max(1, each * (width or _WIDTH) // _WIDTH) for each in channels)


class PaddedConv3d(nn.Conv3d):
    """A 3-D convolution that reads every place: zeros at both ends, the odd one last, fill its windows."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Map `(N, C, *S)` to `(N, C', *S / stride)`, rounded up."""
        pads: list[int] = []
        for side, kernel, stride in zip(
            reversed(input.shape[2:]), reversed(self.kernel_size), reversed(self.stride), strict=True
        ):
            missing = max(0, (math.ceil(side / stride) - 1) * stride + kernel - side)
            pads += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(input, pads) if any(pads) else input)


def convolution_3d(padding: int) -> type[nn.Conv3d]:
    """Return the type of convolution that reads whole windows (0) or every place (1).

    Raises:
        SettingsError: `padding` is neither 0 nor 1.
    """
    if padding not in (0, 1):
        raise SettingsError(f"padding must be 0 or 1, got {padding}")
    return PaddedConv3d if padding else nn.Conv3d


def reducing_convolutions(before: int, width: int | None, padding: int) -> nn.Sequential:
    """Three 3-D convolutions that make slices, rows and columns few, each with a bias and a ReLU.

    Args:
        before: channels of their input.
        width: 64, 32 and 16 channels at 64.
        padding: as in `convolution_3d`.
    """
    convolution, (first, second, third) = convolution_3d(padding), scaled(width, 64, 32, 16)
    convolutions = nn.Sequential(
        *(convolution(before, first, 3, stride=(3, 1, 1)), nn.ReLU()),
        *(convolution(first, second, 3, stride=(3, 1, 1)), nn.ReLU()),
        *(convolution(second, third, (3, 2, 2), stride=(3, 2, 2)), nn.ReLU()),
    )
    initialise_convolutions(convolutions, mode="fan_in")
    return convolutions
