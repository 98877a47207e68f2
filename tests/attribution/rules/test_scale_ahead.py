from collections.abc import Iterator
from importlib import import_module

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import LRP, Class
from sightline.attribution.rules.scale_ahead import scaled_kernels

CONVOLUTION = import_module("sightline.attribution.rules.convolution")


class Net(nn.Module):
    """Convolution, normalisation, ReLU, convolution; subclasses say how the last two meet."""

    inplace = False
    groups = 1
    side = 3

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(self.inplace)
        self.conv = nn.Conv2d(6, 4, self.side, padding=self.side // 2, groups=self.groups)
        self.other = nn.Conv2d(6, 4, 1)
        self.head = nn.Linear(4, 3)
        generator = torch.Generator().manual_seed(1)
        for parameter in self.parameters():
            nn.init.normal_(parameter, 0.1, 0.5, generator=generator)
        nn.init.normal_(self.norm.running_mean, 0, 0.3, generator=generator)  # type: ignore[arg-type]
        nn.init.uniform_(self.norm.running_var, 0.5, 2, generator=generator)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.read(self.norm(torch.relu(self.stem(images))))
        answer: Tensor = self.head(hidden.mean((2, 3)))
        return answer

    def read(self, y: Tensor) -> Tensor:
        z: Tensor = self.conv(self.relu(y))
        return z


class InPlace(Net):
    inplace = True


class Straight(Net):
    def read(self, y: Tensor) -> Tensor:
        z: Tensor = self.conv(y)
        return z


class UnusedReLU(Net):
    def read(self, y: Tensor) -> Tensor:
        self.relu(y)
        return super().read(y)


class TwoConvolutions(Net):
    def read(self, y: Tensor) -> Tensor:
        a = self.relu(y)
        z: Tensor = self.conv(a) + self.other(a)
        return z


class TwiceTheSame(Net):
    def read(self, y: Tensor) -> Tensor:
        a = self.relu(y)
        z: Tensor = self.other(a) + self.other(a)
        return z


class TwoReLUs(Net):
    def read(self, y: Tensor) -> Tensor:
        z: Tensor = self.conv(self.relu(y)) + self.other(self.relu(y))
        return z


class Shortcut(Net):
    def read(self, y: Tensor) -> Tensor:
        a = self.relu(y)
        z: Tensor = self.conv(a) + a[:, :4]
        return z


class BeforeTheReLU(Net):
    def read(self, y: Tensor) -> Tensor:
        z: Tensor = self.conv(self.relu(y)) + y[:, :4]
        return z


class Pooled(Net):
    def read(self, y: Tensor) -> Tensor:
        z: Tensor = self.conv(nn.functional.avg_pool2d(self.relu(y), 2))
        return z


class WrittenTo(Net):
    def read(self, y: Tensor) -> Tensor:
        y[:, :2] *= 2
        return super().read(y)


class BehindTheStem(Net):
    """An input rule merges the normalisation into the stem; without one, it is as any other."""

    def forward(self, images: Tensor) -> Tensor:
        answer: Tensor = self.head(self.read(self.norm(self.stem(images))).mean((2, 3)))
        return answer


class Grouped(Net):
    groups = 2


class LargeKernel(Net):
    """Of more weights than there are activations, so that nothing would be gained."""

    side = 17


TAKEN = (Net, InPlace, Straight, UnusedReLU)
NOT_TAKEN = (TwoConvolutions, TwiceTheSame, TwoReLUs, Shortcut, BeforeTheReLU, Pooled, WrittenTo, Grouped, LargeKernel)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    seen: list[bool] = []

    def spy(*given: Tensor) -> Tensor:
        seen.append(True)
        return scaled_kernels(*given)

    monkeypatch.setattr(CONVOLUTION, "scaled_kernels", spy)
    return seen


def drawn(net: Net, lrp: LRP) -> tuple[Tensor, dict[str, Tensor]]:
    images = torch.rand(3, 2, 9, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = lrp(net, images, Class(1)).attribution
    net.zero_grad()
    (found.square().sum() + found.sum()).backward()
    return found.detach(), {name: of.grad for name, of in net.named_parameters() if of.grad is not None}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("input_rule", ["flat", None])
@pytest.mark.parametrize("kind", [*TAKEN, *NOT_TAKEN, BehindTheStem])
def test_maps_and_gradients_are_those_of_the_scale_in_its_place(
    kind: type[Net], input_rule: str | None, training: bool, taken: list[bool]
) -> None:
    net = kind().double().train(training)
    found, gradients = drawn(net, LRP(input_rule=input_rule))  # type: ignore[arg-type]
    assert bool(taken) == (kind in TAKEN or (kind is BehindTheStem and input_rule is None))
    taken.clear()
    expected, wanted = drawn(net, LRP(input_rule=input_rule, layers=("norm",)))  # type: ignore[arg-type]
    assert not taken, "what arrives at a layer is asked for, so nothing may be moved"
    torch.testing.assert_close(found, expected)
    assert gradients.keys() == wanted.keys()
    for name in wanted:
        torch.testing.assert_close(gradients[name], wanted[name])


def test_nothing_is_moved_where_functions_may_read_unseen(taken: list[bool]) -> None:
    drawn(Net().double(), LRP(unknown="gradient"))
    assert not taken


def test_kernels_are_scaled_by_their_input_channels() -> None:
    kernels, weight, inverse = torch.rand(4, 3, 2, 2), torch.rand(3), torch.rand(3)
    found = scaled_kernels(kernels, weight, inverse)
    torch.testing.assert_close(found, torch.einsum("oikl,i->oikl", kernels, weight * inverse))
    torch.testing.assert_close(scaled_kernels(kernels, None, inverse), kernels * inverse[:, None, None])
