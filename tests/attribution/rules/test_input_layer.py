"""The rules for the layer that reads the pixels, against their formulas written with the layer's matrix."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class
from sightline.errors import UnsupportedOperationError

EPSILON = 0.05
FIRST: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv1d": (lambda: nn.Conv1d(2, 3, 3, padding=1), (2, 6)),
    "conv2d": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), (2, 5, 5)),
    "conv2d grouped dilated": (lambda: nn.Conv2d(2, 4, 3, padding=2, dilation=2, groups=2), (2, 5, 4)),
    "conv2d same, even kernel": (lambda: nn.Conv2d(2, 3, (2, 4), padding="same", dilation=(1, 3)), (2, 5, 6)),
    "conv2d on padding alone": (lambda: nn.Conv2d(1, 2, 1, padding=1), (1, 3, 3)),
    "conv3d": (lambda: nn.Conv3d(1, 2, 3, padding=1), (1, 3, 4, 3)),
    "linear": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (1, 3, 4)),
    "conv2d, batch norm": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)), (2, 5, 5)),
    "conv2d, two batch norms": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.BatchNorm2d(3)),
        (2, 5, 5),
    ),
    "linear, batch norm": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.BatchNorm1d(5)), (1, 3, 4)),
}
pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel:UserWarning")


@pytest.fixture(params=FIRST, ids=lambda name: name.replace(" ", "-"))
def first(request: pytest.FixtureRequest, random_norms: Callable[[nn.Module], None]) -> tuple[nn.Module, Tensor]:
    build, shape = FIRST[request.param]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(5)
        module = build().double().eval()
        random_norms(module)
        return module, torch.rand(2, *shape, dtype=torch.float64)


def share_by_matrix(x: Tensor, w: Tensor, relevance: Tensor, rule: str, low: float, high: float) -> Tensor:
    """z^B or flat for one flattened image `x`, `(in,)`, through the matrix `w`, `(out, in)`."""
    if rule == "flat":
        reads = (w != 0).double()
        return reads.T @ (relevance / reads.sum(1).clamp(min=1))
    up, down = w.clamp(min=0), w.clamp(max=0)
    share = relevance / (up @ (x - low) + down @ (x - high) + EPSILON)
    return (x - low) * (up.T @ share) + (x - high) * (down.T @ share)


@pytest.mark.parametrize("rule", ["zb", "flat"])
@pytest.mark.parametrize("inplace", [False, True])
def test_first_layer_follows_the_matrix_form(first: tuple[nn.Module, Tensor], rule: str, inplace: bool) -> None:
    module, images = first
    outputs = module(images)[0].numel()
    last = nn.Linear(outputs, 2, bias=False).double()
    net = nn.Sequential(module, nn.ReLU(inplace), nn.Flatten(), last)
    ours = LRP(EPSILON, rule, low=-0.5, high=2.0)(net, images, Class(1)).attribution
    for x, got in zip(images, ours, strict=True):
        w = torch.autograd.functional.jacobian(lambda one: module(one[None])[0].flatten(), x).flatten(1)
        relevance = module(x[None]).flatten().relu() * last.weight[1]
        expected = share_by_matrix(x.flatten(), w, relevance, rule, -0.5, 2.0)
        torch.testing.assert_close(got.flatten(), expected, rtol=1e-9, atol=1e-12)


class TwoReaders(nn.Module):
    """A convolution whose output both a batch normalisation and the shortcut read, as before a pre-activation block."""

    def __init__(self, *, norm_first: bool, norm: bool = True) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.conv, self.fc = nn.Conv2d(1, 2, 3, bias=False), nn.Linear(2 * 9, 2, bias=False)
        self.norm = nn.BatchNorm2d(2, affine=False, eps=0.0) if norm else nn.Identity()
        self.norm_first = norm_first
        self.double().eval()

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv(images)
        both = (F.relu(self.norm(x)), x) if self.norm_first else (x, F.relu(self.norm(x)))
        return self.fc((both[0] + both[1]).flatten(1))


@pytest.mark.parametrize("rule", ["zb", "flat", None])
@pytest.mark.parametrize("norm", [True, False])
def test_relevance_of_every_reader_of_the_first_layer_counts(
    make_images: Callable[..., Tensor], rule: str | None, norm: bool
) -> None:
    images = make_images(2, 1, 5, 5)
    maps = []
    for norm_first in (True, False):
        explanation = LRP(epsilon=0, input_rule=rule)(TwoReaders(norm_first=norm_first, norm=norm), images, Class(0))
        torch.testing.assert_close(explanation.attribution.sum((1, 2, 3)), explanation.logits[:, 0])
        maps.append(explanation.attribution)
    torch.testing.assert_close(maps[0], maps[1])


def test_two_first_layers_share_the_relevance(make_images: Callable[..., Tensor]) -> None:
    class TwoStems(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 2, 3, bias=False), nn.Conv2d(1, 2, 3, bias=False)
            self.fc = nn.Linear(2 * 9, 2, bias=False)
            self.unused = nn.Linear(25, 1)

        def forward(self, images: Tensor) -> Tensor:
            self.unused(images.flatten(1))  # an auxiliary head that nobody asks about
            return self.fc((F.relu(self.conv1(images)) + F.relu(self.conv2(images))).flatten(1))

    explanation = LRP(epsilon=0)(TwoStems().double(), make_images(2, 1, 5, 5), Class(0))
    torch.testing.assert_close(explanation.attribution.sum((1, 2, 3)), explanation.logits[:, 0])


def test_black_images_without_epsilon_give_no_nan() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(18, 2))
    with torch.no_grad():
        net[0].weight.abs_()
        net[0].bias.fill_(1)
    images = torch.zeros(1, 1, 5, 5)
    assert not LRP(epsilon=0)(net, images, Class(0)).attribution.any()


def test_anything_else_before_the_first_layer_is_refused_by_name_and_place() -> None:
    class Standardising(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return (images - 0.5).flatten(1)

    with pytest.raises(
        UnsupportedOperationError, match=r"'sub' reads the images at test_input_layer.py:\d+ \(forward\)"
    ):
        LRP()(Standardising(), torch.rand(1, 1, 2, 2), Class(0))


def test_a_check_of_the_images_is_no_reading_of_them() -> None:
    class Checking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, images: Tensor) -> Tensor:
            assert not images.isnan().any()
            assert images.shape[1] == 1
            return self.fc(images.contiguous().view(len(images), -1))

    assert LRP()(Checking(), torch.rand(2, 1, 2, 2), Class(0)).attribution.any()


def test_a_model_that_reads_no_image_is_refused() -> None:
    class Constant(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.zeros(len(images), 2, requires_grad=True)

    with pytest.raises(UnsupportedOperationError, match="no convolution or linear layer reads the images"):
        LRP()(Constant(), torch.rand(2, 1, 2, 2), Class(0))


def test_a_kernel_on_padding_alone_gives_no_nan_to_the_weights() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 25, 2))
    LRP(input_rule="flat")(net, torch.rand(1, 1, 3, 3), Class(0)).attribution.square().sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in net.parameters())
