"""GazeGNN and the vision graph network below it, Pyramid ViG-Ti, with the public names of its state dict.

An image is a grid of nodes. In each block every node looks for the nodes most like it, and takes over from them what
they have more of than itself. GazeGNN adds to each node how long a reader looked at it.

Reference:
    Wang et al. 2024, arXiv:2305.18221 (GazeGNN); Han et al. 2022, arXiv:2206.00272 (ViG), table 1; and their code,
    which Pyramid ViG-Ti's published weights and the neighbours, 9 in every block, are from.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError
from sightline.models.graph_blocks import Grapher
from sightline.models.layers import initialise_convolutions
from sightline.models.weights import load_weights

_DEPTHS = (2, 2, 6, 2)
_TIMES_WIDTH = (1, 2, 5, 8)  # channels of the stages
_REDUCED = (4, 2, 1, 1)  # sides of the cells whose means are a stage's candidates
_GRID = 56  # nodes along a side of a published image, 224 pixels
_PATCH, _STRIDE = 14, 4  # pixels whose gaze a node takes, and from one node to the next


class _FirstChannels(nn.Conv2d):
    """A convolution of the first channels of its input.

    It reads all of them, with weights of 0 for the others: explanations have a rule for the convolution that reads the
    images, and none for their parts.
    """

    def forward(self, images: Tensor) -> Tensor:
        others = images.shape[1] - self.in_channels
        weight = F.pad(self.weight, (0, 0, 0, 0, 0, others)) if others else self.weight
        result: Tensor = self._conv_forward(images, weight, self.bias)
        return result


class _Stem(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            _FirstChannels(channels, width // 2, 3, stride=2, padding=1),
            nn.BatchNorm2d(width // 2),
            nn.GELU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
        )

    def forward(self, images: Tensor) -> Tensor:
        nodes: Tensor = self.convs(images)
        return nodes


class _Downsample(nn.Module):
    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(channels, out_channels, 3, stride=2, padding=1), nn.BatchNorm2d(out_channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        nodes: Tensor = self.conv(x)
        return nodes


class _FeedForward(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Sequential(nn.Conv2d(channels, 4 * channels, 1), nn.BatchNorm2d(4 * channels))
        self.act = nn.GELU()
        self.fc2 = nn.Sequential(nn.Conv2d(4 * channels, channels, 1), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.fc2(self.act(self.fc1(x)))
        return result


class PyramidViG(nn.Module):
    """Graph network: images `(N, C, H, W)`, perhaps with gaze, to logits `(N, K)`.

    Args:
        num_classes: K.
        in_channels: C; with `gaze` its last channel is the gaze.
        gaze: whether there is gaze.
        dropout: chance that a feature is dropped before the last layer.
        width: channels of the first stage, a multiple of 4.

    Raises:
        SettingsError: the width is no multiple of 4, or there is no channel beside the gaze.
    """

    def __init__(
        self, num_classes: int, *, in_channels: int = 3, gaze: bool = False, dropout: float = 0.0, width: int = 48
    ) -> None:
        super().__init__()
        if width < 4 or width % 4:
            raise SettingsError(f"width must be a multiple of 4, got {width}")
        if in_channels <= gaze:
            raise SettingsError(
                f"in_channels must be at least 2, those of the image and one of gaze, got {in_channels}"
            )
        self.in_channels = in_channels
        self.stem = _Stem(in_channels - gaze, width)
        self.pos_embed = nn.Parameter(torch.zeros(1, width, _GRID, _GRID))
        self.gaze_norm = nn.BatchNorm2d(1) if gaze else None
        self.backbone = nn.Sequential(*_backbone(width))
        head = 64 * width // 3  # 1024 as published
        self.prediction = nn.Sequential(
            nn.Conv2d(_TIMES_WIDTH[-1] * width, head, 1),
            nn.BatchNorm2d(head),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv2d(head, num_classes, 1),
        )
        initialise_convolutions(self, mode="fan_in")

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, H, W)`, H and W multiples of 32.

        Raises:
            ShapeError: they are not, or have another number of channels.
        """
        if images.ndim != 4 or images.shape[1] != self.in_channels or images.shape[2] % 32 or images.shape[3] % 32:
            behind = ", the last of them gaze" if self.gaze_norm is not None else ""
            raise ShapeError(
                f"images must be (N, {self.in_channels}, H, W) with H and W multiples of 32{behind}, "
                f"got {tuple(images.shape)}"
            )
        x = self.stem(images)
        x = x + self._places((x.shape[2], x.shape[3]))
        if self.gaze_norm is not None:
            x = x + self.gaze_norm(gaze_of_nodes(images))
        logits: Tensor = self.prediction(self.backbone(x).mean((2, 3), keepdim=True)).flatten(1)
        return logits

    def _places(self, grid: tuple[int, int]) -> Tensor:
        if grid == (_GRID, _GRID):
            return self.pos_embed
        return F.interpolate(self.pos_embed, size=grid, mode="bicubic", align_corners=False)


def _backbone(width: int) -> list[nn.Module]:
    parts: list[nn.Module] = []
    block = 0
    for stage, depth in enumerate(_DEPTHS):
        channels = _TIMES_WIDTH[stage] * width
        if stage:
            parts.append(_Downsample(_TIMES_WIDTH[stage - 1] * width, channels))
        for _ in range(depth):
            grapher = Grapher(channels, dilation=block // 4 + 1, reduced=_REDUCED[stage], grid=_GRID // 2**stage)
            parts.append(nn.Sequential(grapher, _FeedForward(channels)))
            block += 1
    return parts


def gaze_of_nodes(images: Tensor) -> Tensor:
    r"""Sum the gaze around each node, and scale the sums of an image to 0 to 1.

    Node $i$ takes rows $4i - 7$ to $4i + 6$ of the gaze, and columns alike, as far as there are any.

    Args:
        images: `(N, C, H, W)`, the last channel of them gaze, none negative.

    Returns:
        `(N, 1, H / 4, W / 4)`; 0 throughout where there is no gaze.
    """
    patch = torch.zeros(1, images.shape[1], _PATCH, _PATCH, dtype=images.dtype, device=images.device)
    patch[:, -1] = 1
    sums = F.conv2d(images, patch, stride=_STRIDE, padding=_PATCH // 2)
    sums = sums[:, :, : images.shape[2] // _STRIDE, : images.shape[3] // _STRIDE]
    # the scale is the picture's own, and no place of it: constants to what explains or trains
    least, most = sums.detach().amin((2, 3), keepdim=True), sums.detach().amax((2, 3), keepdim=True)
    return (sums - least) / torch.where(most > least, most - least, 1)


def pvig_ti(num_classes: int, *, in_channels: int = 3, dropout: float = 0.0, width: int = 48) -> PyramidViG:
    """Pyramid ViG-Ti, a classifier of images alone; options as in `ModelOptions`."""
    return PyramidViG(num_classes, in_channels=in_channels, dropout=dropout, width=width)


def gaze_gnn(
    num_classes: int,
    *,
    vig_weights: str | Path | None = None,
    in_channels: int = 4,
    dropout: float = 0.0,
    width: int = 48,
) -> PyramidViG:
    """GazeGNN: Pyramid ViG-Ti whose last channel is gaze, of `GazeInput("times")`.

    Args:
        num_classes: K.
        vig_weights: file of weights of Pyramid ViG-Ti to start from, as in `load_weights`; None starts at random.
        in_channels: those of the image and one of gaze.
        dropout: as in `ModelOptions`.
        width: as in `PyramidViG`.

    Raises:
        SettingsError: see `PyramidViG`.
        DataNotFoundError, DataError: `vig_weights` is missing, or holds no weights of Pyramid ViG-Ti.
    """
    model = PyramidViG(num_classes, in_channels=in_channels, gaze=True, dropout=dropout, width=width)
    if vig_weights is not None:
        plain = pvig_ti(num_classes, in_channels=in_channels - 1, width=width)
        load_weights(plain, Path(vig_weights))
        model.load_state_dict(plain.state_dict(), strict=False)  # all but the scale of the gaze
    return model
