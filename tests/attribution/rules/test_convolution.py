"""Every linear operation before a ReLU against the matrix form of LRP-epsilon, the matrix taken by its Jacobian."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class
from sightline.attribution.drawing import Drawing
from sightline.attribution.rules import convolution
from sightline.attribution.rules.convolution import Geometry, transposed, transposed_both

EPSILON = 0.05
Operation = Callable[[Tensor], Tensor]

OPERATIONS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv1d": (lambda: nn.Conv1d(2, 3, 3, padding=1), (2, 7)),
    "conv1d strided dilated": (lambda: nn.Conv1d(2, 3, 3, stride=2, padding=2, dilation=2), (2, 9)),
    "conv2d": (lambda: nn.Conv2d(2, 3, 3), (2, 5, 6)),
    "conv2d without bias": (lambda: nn.Conv2d(2, 3, (3, 2), padding=(1, 0), bias=False), (2, 5, 6)),
    "conv2d strided": (lambda: nn.Conv2d(2, 3, 3, stride=(2, 1), padding=1), (2, 6, 5)),
    "conv2d grouped": (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), (4, 4, 4)),
    "conv2d depthwise dilated": (lambda: nn.Conv2d(3, 3, 3, padding=2, dilation=2, groups=3), (3, 6, 5)),
    "conv2d same": (lambda: nn.Conv2d(2, 3, 3, padding="same", dilation=2), (2, 5, 5)),
    "conv2d same, even kernel": (lambda: nn.Conv2d(2, 3, (2, 4), padding="same"), (2, 5, 5)),
    "conv2d valid": (lambda: nn.Conv2d(2, 3, 3, padding="valid"), (2, 5, 5)),
    "conv2d reflecting": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 5, 5)),
    "conv3d": (lambda: nn.Conv3d(2, 2, 3, padding=1, stride=(1, 2, 1)), (2, 3, 4, 4)),
    "conv_transpose1d": (lambda: nn.ConvTranspose1d(2, 3, 3, stride=2), (2, 5)),
    "conv_transpose2d": (lambda: nn.ConvTranspose2d(2, 3, 3, stride=2, output_padding=1), (2, 4, 3)),
    "conv_transpose3d": (lambda: nn.ConvTranspose3d(2, 2, 2, stride=2), (2, 2, 3, 2)),
    "linear": (lambda: nn.Linear(5, 4), (5,)),
    "batch_norm": (lambda: nn.BatchNorm2d(2), (2, 4, 4)),
    "avg_pool1d": (lambda: nn.AvgPool1d(3, 2, 1), (2, 8)),
    "avg_pool2d": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 6, 6)),
    "avg_pool3d": (lambda: nn.AvgPool3d(2), (1, 4, 4, 4)),
    "max_pool1d": (lambda: nn.MaxPool1d(3, 2, 1), (2, 8)),
    "max_pool2d": (lambda: nn.MaxPool2d(3, 2, 1), (2, 6, 6)),
    "max_pool3d": (lambda: nn.MaxPool3d(2), (1, 4, 4, 4)),
    "adaptive_avg_pool2d": (lambda: nn.AdaptiveAvgPool2d((2, 3)), (2, 5, 7)),
    "adaptive_avg_pool3d": (lambda: nn.AdaptiveAvgPool3d(1), (2, 3, 4, 3)),
    "adaptive_max_pool2d": (lambda: nn.AdaptiveMaxPool2d(2), (2, 5, 5)),
    "upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (2, 3, 3)),
    "pixel_shuffle": (lambda: nn.PixelShuffle(2), (4, 3, 3)),
}


# torch pads a copy for even kernels and says so
pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel:UserWarning")


@pytest.fixture(params=OPERATIONS, ids=lambda name: name.replace(" ", "-"))
def operation(request: pytest.FixtureRequest, random_norms: Callable[[nn.Module], None]) -> tuple[nn.Module, Tensor]:
    build, shape = OPERATIONS[request.param]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        module = build().double().eval()
        random_norms(module)
        return module, torch.randn(2, *shape, dtype=torch.float64)


def matrix(module: Operation, x: Tensor) -> Tensor:
    """What multiplies one flattened input, `(out, in)`."""
    jacobian = torch.autograd.functional.jacobian(lambda one: module(one[None])[0].flatten(), x)
    return jacobian.flatten(1)


def head(outputs: int) -> nn.Linear:
    """Two classes over the flattened outputs, without bias."""
    linear = nn.Linear(outputs, 2, bias=False).double()
    with torch.no_grad():
        linear.weight.copy_(torch.linspace(-1, 1, 2 * outputs).sin().view(2, outputs))
    return linear


def test_operation_follows_the_matrix_form(operation: tuple[nn.Module, Tensor]) -> None:
    module, images = operation
    last = head(module(images)[0].numel())
    net = nn.Sequential(module, nn.ReLU(), nn.Flatten(), last)
    ours = LRP(EPSILON, input_rule=None)(net, images, Class(1)).attribution
    for x, relevance in zip(images, ours, strict=True):
        w, z = matrix(module, x), module(x[None]).flatten()
        share = z.relu() * last.weight[1] / (z + EPSILON * z.sign())
        torch.testing.assert_close(relevance.flatten(), x.flatten() * (w.T @ share), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name.startswith("conv") and "_" not in name])
def test_both_backward_passes_are_the_derivatives(name: str) -> None:
    build, shape = OPERATIONS[name]
    layer = build().double()
    if layer.padding == "same" or layer.padding_mode != "zeros":
        pytest.skip("resolved by the interception")
    x = torch.randn(1, *shape, dtype=torch.float64, requires_grad=True)
    padding = (0,) * len(layer.kernel_size) if layer.padding == "valid" else layer.padding
    geometry = Geometry(layer.stride, padding, layer.dilation, layer.groups, (0,) * len(padding))
    weight, bias = layer.weight, layer.bias
    torch.testing.assert_close(convolution(x, weight, bias, geometry, Drawing()), layer(x))
    if bias is None:
        bias = torch.zeros(len(weight), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *a: convolution(*a, geometry, Drawing()), (x, weight, bias), fast_mode=True)
    c = torch.randn_like(layer(x)).requires_grad_()
    assert torch.autograd.gradcheck(lambda c, w: transposed(c, w, x, geometry), (c, weight), fast_mode=True)
    other = torch.randn_like(weight).requires_grad_()
    both = transposed_both(c, weight, other, x, geometry)
    torch.testing.assert_close(both, (transposed(c, weight, x, geometry), transposed(c, other, x, geometry)))
    assert torch.autograd.gradcheck(
        lambda *given: transposed_both(*given, x, geometry), (c, weight, other), fast_mode=True
    )


def test_even_kernel_same_transposes_to_the_shape_of_the_input() -> None:
    geometry = Geometry((1, 1), (0, 0), (1, 1), 1, (1, 1))
    x, weight = torch.rand(1, 1, 4, 4), torch.rand(1, 1, 2, 2)
    y = convolution(x, weight, None, geometry, Drawing())
    torch.testing.assert_close(y, F.conv2d(x, weight, padding="same"))
    c = torch.rand_like(y)
    back = transposed(c, weight, x, geometry)
    torch.testing.assert_close((back * x).sum(), (c * y).sum())  # <W^T c, x> = <c, W x>
