"""What the watch accepts, what it refuses and how it says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class, Saliency, Selection, Target
from sightline.errors import UnsupportedOperationError


class Cube(torch.autograd.Function):
    """Somebody's own function, which no interception of torch functions sees."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g


class Net(nn.Module):
    """Convolution, ReLU, something, convolution, ReLU, linear."""

    def __init__(self, something: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.conv1, self.conv2 = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3)
            self.fc = nn.Linear(16, 3)
        self.double()
        self.something = something

    def forward(self, images: Tensor) -> Tensor:
        x = self.something(F.relu(self.conv1(images)))
        return self.fc(F.relu(self.conv2(x)).flatten(1))


WEIGHT = torch.tensor([0.5, 0.25, 1.0, 2.0], dtype=torch.float64).view(4, 1, 1)

REFUSED: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "sigmoid": (lambda x: x.sigmoid(), "'sigmoid' as a gate that multiplies a signal, but 'conv2d' reads it"),
    "sigmoid module": (nn.Sigmoid(), "'sigmoid'"),
    "softmax": (lambda x: x.softmax(1), "'softmax'"),
    "softplus": (F.softplus, "'softplus'"),
    "gate that is added": (lambda x: x + x.sigmoid(), "'sigmoid' as a gate that multiplies a signal, but 'add'"),
    "product of three": (lambda x: torch.einsum("nchw,nchw,nchw->nchw", x, x, x), "'einsum' of two activations"),
    "quotient": (lambda x: x / (1 + x.sum(1, keepdim=True)), "of two activations"),
    "reciprocal": (lambda x: 1 / (x + 1), "div'"),
    "divisor": (lambda x: WEIGHT / (x + 1), "div'"),
    "computed kernel": (
        lambda x: F.conv2d(x, x.mean((0, 2, 3)).view(1, 4, 1, 1).repeat(4, 1, 1, 1)),
        "'conv2d' of two",
    ),
    "computed weight": (lambda x: F.linear(x, x.mean((0, 1, 2)).expand(4, -1)), "'linear' of two activations"),
    "computed scale": (lambda x: F.batch_norm(x, None, None, x.mean((0, 2, 3)), training=True), "'batch_norm'"),
    "power": (lambda x: x**2, "'pow'"),
    "autograd function": (Cube.apply, "'Cube'"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("input_rule", ["zb", None])
def test_an_unknown_operation_is_named_with_its_place(
    make_images: Callable[..., Tensor], name: str, input_rule: str | None
) -> None:
    something, words = REFUSED[name]
    with pytest.raises(UnsupportedOperationError, match=words) as caught:
        LRP(input_rule=input_rule)(Net(something), make_images(2, 2, 6, 6), Class(0))
    message = str(caught.value)
    assert "test_interception.py:" in message
    assert "unknown='gradient'" in message
    assert "/" not in message
    assert "\n" not in message


def test_unknown_functions_are_passed_by_their_gradient_when_asked(make_images: Callable[..., Tensor]) -> None:
    images = make_images(2, 2, 6, 6)
    for name, (something, _) in REFUSED.items():
        explanation = LRP(epsilon=1e-30, input_rule=None, unknown="gradient")(Net(something), images, Class(0))
        leaf = images.clone().requires_grad_()
        logits = Net(something)(leaf)
        torch.testing.assert_close(explanation.logits, logits)
        (gradient,) = torch.autograd.grad(logits[:, 0].sum(), leaf)
        if name == "computed scale":  # batch statistics are not held fixed in a batch norm without a rule
            continue
        torch.testing.assert_close(explanation.attribution, images * gradient)


@pytest.mark.parametrize("name", ["autograd function", "sigmoid"])
def test_rules_go_on_behind_an_unknown_function(make_images: Callable[..., Tensor], name: str) -> None:
    images, net = make_images(2, 2, 6, 6), Net(REFUSED[name][0])
    epsilon = 0.1
    got = LRP(epsilon, input_rule=None, unknown="gradient")(net, images, Class(0)).attribution

    leaf = images.clone().requires_grad_()
    z1 = net.conv1(leaf)
    a1 = z1.relu().detach().requires_grad_()
    z2 = net.conv2(net.something(a1))
    q2 = z2.relu() / (z2 + epsilon)
    c = (net.fc.weight[0] * q2.flatten(1)).view_as(z2)
    (c,) = torch.autograd.grad(z2, a1, c.detach())
    (c,) = torch.autograd.grad(z1, leaf, (c * z1.relu() / (z1 + epsilon)).detach())
    torch.testing.assert_close(got, images * c)


def test_an_autograd_function_as_the_last_step_is_refused(make_images: Callable[..., Tensor]) -> None:
    class Last(Net):
        def forward(self, images: Tensor) -> Tensor:
            return Cube.apply(super().forward(images))

    with pytest.raises(UnsupportedOperationError, match="'Cube'"):
        LRP()(Last(lambda x: x), make_images(2, 2, 6, 6), Class(0))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("input_rule", ["zb", None])
def test_compiled_code_is_refused_not_explained_by_something_else(
    make_images: Callable[..., Tensor], input_rule: str | None
) -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()).double())
    with pytest.raises(UnsupportedOperationError, match="compiled code"):
        LRP(input_rule=input_rule)(Net(scripted), make_images(2, 2, 6, 6), Class(0))


ACCEPTED: dict[str, Callable[[Tensor], Tensor]] = {
    "scaled": lambda x: 2 * x * WEIGHT / 3,
    "shifted": lambda x: (x + WEIGHT) - 1,
    "in place": lambda x: x.clone().mul_(2).div_(2),
    "chunks": lambda x: torch.cat(x.chunk(2, 1), 1),
    "indexed": lambda x: x[:, [3, 2, 1, 0]],
    "turned": lambda x: x.flip(2).transpose(2, 3),
    "property": lambda x: x.mT,
    "padded": lambda x: F.pad(x, (1, 1, 0, 0), mode="reflect")[..., 1:-1],
    "einsum": lambda x: torch.einsum("nchw,cd->ndhw", x, WEIGHT[:, :, 0].expand(4, 4)),
    "dropout": lambda x: F.dropout2d(x, 0.5, training=False),
    "written to a view": lambda x: _written(x),
    "weight norm": torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1, bias=False)).double(),
    "shape": lambda x: x.view(x.shape[0], x.size(1), *x.shape[2:]),
    "no parameters": lambda x: F.conv2d(x, torch.ones(4, 1, 1, 1, dtype=x.dtype), groups=4),
}


def _written(x: Tensor) -> Tensor:
    buffer = torch.zeros_like(x)
    buffer[0].add_(x[0])
    buffer[1:] = x[1:]
    return buffer


@pytest.mark.parametrize("name", ACCEPTED)
def test_linear_operations_are_passed_by_their_transpose(make_images: Callable[..., Tensor], name: str) -> None:
    images, net = make_images(2, 2, 6, 6), Net(ACCEPTED[name])
    epsilon = 0.1
    got = LRP(epsilon, input_rule=None)(net, images, Class(0)).attribution
    leaf = images.clone().requires_grad_()
    z1 = net.conv1(leaf)
    a1 = z1.relu().detach().requires_grad_()
    z2 = net.conv2(net.something(a1))
    c = (net.fc.weight[0] * (z2.relu() / (z2 + epsilon)).flatten(1)).view_as(z2)
    (c,) = torch.autograd.grad(z2, a1, c.detach())
    (c,) = torch.autograd.grad(z1, leaf, (c * z1.relu() / (z1 + epsilon)).detach())
    torch.testing.assert_close(got, images * c)


def test_saliency_explains_what_lrp_refuses(make_images: Callable[..., Tensor]) -> None:
    images = make_images(2, 2, 6, 6)
    for something, _ in REFUSED.values():
        assert Saliency()(Net(something), images, Class(0)).attribution.any()


class FirstSample(Target):
    """The first logit of the first image alone."""

    def select(self, logits: Tensor) -> Selection:
        return Selection(logits[None, :, 0] * torch.eye(len(logits), dtype=logits.dtype)[0])


def test_batch_norm_behind_an_autograd_function_does_not_mix_samples(make_images: Callable[..., Tensor]) -> None:
    norm = nn.BatchNorm2d(4).double()
    net, images = Net(lambda x: norm(Cube.apply(x))), make_images(2, 2, 6, 6)
    attribution = Saliency()(net, images, FirstSample()).attribution
    assert attribution[0].any()
    assert not attribution[1].any()


def test_a_package_whose_name_begins_with_torch_is_a_caller_too(make_images: Callable[..., Tensor]) -> None:
    beside = Path(torch.__file__).parent.parent / "torchsomething" / "gates.py"
    scope: dict[str, Any] = {}
    exec(compile("def gate(x):\n    return x.exp()", str(beside), "exec"), scope)
    with pytest.raises(UnsupportedOperationError, match=r"called at gates.py:2 \(gate\)"):
        LRP()(Net(scope["gate"]), make_images(2, 2, 6, 6), Class(0))
