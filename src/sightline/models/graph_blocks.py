"""What vision graph networks are made of: who is whose neighbour on a grid of nodes, and what neighbours pass on.

Reference:
    Han et al. 2022, arXiv:2206.00272 (ViG), 3.1 and 3.2, and its code; Li et al. 2019, arXiv:1904.03751 (max-relative
    graph convolution, dilated neighbours).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_NEIGHBOURS = 9


class MaxRelative(nn.Module):
    r"""The graph convolution: $x_i \oplus \max_j (x_j - x_i)$, channel by channel, then a 1×1 convolution in 4 groups.

    Args:
        channels: of the nodes; those of the result are twice as many.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.nn = nn.Sequential(
            nn.Conv2d(2 * channels, 2 * channels, 1, groups=4), nn.BatchNorm2d(2 * channels), nn.GELU()
        )

    def forward(self, x: Tensor, candidates: Tensor, neighbours: Tensor) -> Tensor:
        """Map nodes `(N, C, H, W)`, candidates `(N, C, M)` and indices of them `(N, H * W, k)` to `(N, 2C, H, W)`."""
        n, channels, *grid = x.shape
        chosen = candidates.gather(2, neighbours.flatten(1)[:, None].expand(-1, channels, -1))
        most = chosen.reshape(n, channels, *neighbours.shape[1:]).amax(3)  # (N, C, H * W)
        relative = most.reshape(x.shape) - x
        pairs = torch.stack((x, relative), dim=2).reshape(n, 2 * channels, *grid)
        result: Tensor = self.nn(pairs)
        return result


class _GraphConvolution(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gconv = MaxRelative(channels)


class Grapher(nn.Module):
    """A graph convolution between two 1×1 convolutions, beside a shortcut.

    Args:
        channels: of the nodes.
        dilation: of the nearest candidates every so many-th is a neighbour.
        reduced: side of the cells whose means are the candidates.
        grid: nodes along a side, for which the bias by place is kept with the weights.
    """

    relative_pos: Tensor

    def __init__(self, channels: int, *, dilation: int, reduced: int, grid: int) -> None:
        super().__init__()
        self.dilation, self.reduced, self.grid = dilation, reduced, grid
        self.fc1 = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels))
        self.graph_conv = _GraphConvolution(channels)
        self.fc2 = nn.Sequential(nn.Conv2d(2 * channels, channels, 1), nn.BatchNorm2d(channels))
        self.register_buffer("relative_pos", place_bias(channels, (grid, grid), reduced)[None])

    def forward(self, x: Tensor) -> Tensor:
        """Map `(N, C, H, W)` to its shape."""
        nodes = self.fc1(x)
        candidates = F.avg_pool2d(nodes, self.reduced) if self.reduced > 1 else nodes
        neighbours = self._neighbours(nodes, candidates)
        result: Tensor = x + self.fc2(self.graph_conv.gconv(nodes, candidates.flatten(2), neighbours))
        return result

    @torch.no_grad()  # which nodes are neighbours has no gradient
    def _neighbours(self, nodes: Tensor, candidates: Tensor) -> Tensor:
        grid = (nodes.shape[2], nodes.shape[3])
        bias = self.relative_pos
        if grid != (self.grid, self.grid):
            bias = place_bias(nodes.shape[1], grid, self.reduced).to(nodes)[None]
        return nearest(nodes.flatten(2), candidates.flatten(2), bias, dilation=self.dilation)


def nearest(nodes: Tensor, candidates: Tensor, bias: Tensor, *, dilation: int) -> Tensor:
    r"""Find the neighbours of each node: the candidates at the least distance, every `dilation`-th of them.

    Between features of length 1, and with the bias $b$ by place, $d_{ij} = \lVert x_i - y_j \rVert^2 + b_{ij}$. There
    are nine neighbours; where candidates are too few for that, the dilation is less, and then their number.

    Args:
        nodes: `(N, C, P)`.
        candidates: `(N, C, M)`.
        bias: `(1, P, M)`.
        dilation: at least 1.

    Returns:
        Indices of candidates, the nearest first, `(N, P, k)`.
    """
    count = candidates.shape[2]
    kept = min(_NEIGHBOURS, count)
    step = min(dilation, count // kept)
    likeness = F.normalize(nodes, dim=1).transpose(1, 2) @ F.normalize(candidates, dim=1)  # (N, P, M)
    return (2 * likeness - bias).topk(kept * step, dim=2).indices[:, :, ::step]


def place_bias(channels: int, grid: tuple[int, int], reduced: int) -> Tensor:
    r"""Return the distance by place between the nodes of a grid and the cells of `reduced` times `reduced` of them.

    With frequencies $\omega_k = 10^{-16 k / C}$, $k < C / 4$,

    $$b = -\frac{2}{C} \sum_k \left(\cos \omega_k \Delta_\mathrm{rows} + \cos \omega_k \Delta_\mathrm{columns}\right)$$

    and of a cell the mean over its nodes. The public code finds the latter by resizing the matrix along its flattened
    axis, which takes the columns of the cells for others; files of weights bring their own.

    Returns:
        `(nodes, cells)` float32, -1 between a node and itself.
    """
    frequencies = 10.0 ** (-16 * torch.arange(channels // 4) / channels)
    rows, columns = (_waves(length, frequencies) for length in grid)
    # the sum of the two products of waves is the mean of the cosines: cos(a - b) = cos a cos b + sin a sin b
    waves = torch.cat(
        (rows[:, None].expand(-1, grid[1], -1), columns[None].expand(grid[0], -1, -1)), dim=2
    )  # (H, W, C)
    cells = F.avg_pool2d(waves.permute(2, 0, 1), reduced).flatten(1)  # (C, cells)
    return -2 / channels * waves.flatten(0, 1) @ cells


def _waves(length: int, frequencies: Tensor) -> Tensor:
    angles = torch.arange(length)[:, None] * frequencies
    return torch.cat((angles.sin(), angles.cos()), dim=1)
