"""Small networks that between them use every kind of connection the engine knows, in float64."""

from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """Two branches of convolution and batch normalisation, summed before a ReLU."""

    def __init__(self, channels: int, *, norm: bool, bias: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.norm1 = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.norm2 = nn.BatchNorm2d(channels) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


class Dense(nn.Module):
    """Concatenates what it makes to what it was given; batch norm, ReLU and convolution in DenseNet's order."""

    def __init__(self, channels: int, growth: int, *, norm: bool, bias: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.conv = nn.Conv2d(channels, growth, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(F.relu(self.norm(x)))], 1)


class Attends(nn.Module):
    """Attention of the places of a feature map to each other, added to it."""

    def __init__(self, channels: int, *, bias: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, 2, bias=bias, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).mT
        return x + self.attention(tokens, tokens, tokens, need_weights=False)[0].mT.reshape(x.shape)


def _tail(classes: int, *, bias: bool, pooled: bool) -> list[nn.Module]:
    if pooled:
        return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes, bias=bias)]
    hidden = nn.Linear(6 * 2 * 2, 5, bias=bias)
    return [nn.AvgPool2d(2), nn.Flatten(), hidden, nn.ReLU(), nn.Linear(5, classes, bias=bias)]


def small_net(
    *,
    norm: bool = True,
    bias: bool = True,
    channels: int = 2,
    classes: int = 3,
    seed: int = 0,
    pooled: bool = False,
    attends: bool = False,
) -> nn.Module:
    """Convolution, overlapping max pool, residual sum, concatenation, average pool and a hidden linear layer.

    `pooled` ends in global average pooling and one linear layer instead; `attends` has attention before that.
    """

    def normed(n: int) -> nn.Module:
        return nn.BatchNorm2d(n) if norm else nn.Identity()

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        net = nn.Sequential(
            nn.Conv2d(channels, 4, 3, stride=1, padding=1, bias=bias),
            normed(4),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
            Residual(4, norm=norm, bias=bias),
            Dense(4, 2, norm=norm, bias=bias),
            normed(6),
            nn.ReLU(),
            *([Attends(6, bias=bias)] if attends else []),
            *_tail(classes, bias=bias, pooled=pooled),
        ).double()
        shuffle_norms(net)
    return net.eval()


def shuffle_norms(net: nn.Module) -> None:
    """Give every batch normalisation random statistics, scale and shift, as training does."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def make_net() -> Callable[..., nn.Module]:
    """`small_net`, for images (N, 2, 8, 8)."""
    return small_net


@pytest.fixture(scope="session")
def make_images() -> Callable[..., Tensor]:
    """Uniform random images in [0, 1], float64."""

    def images(*shape: int, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(shape or (3, 2, 8, 8), generator=generator, dtype=torch.float64)

    return images


@pytest.fixture(scope="session")
def random_norms() -> Callable[[nn.Module], None]:
    return shuffle_norms
