from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class
from sightline.attribution.drawing import Drawing
from sightline.attribution.rules import relu


def drawn(z: Tensor, c: Tensor, epsilon: float | None, *, stabilised: bool = True) -> Tensor:
    drawing = Drawing(epsilon=epsilon)
    a = relu(z, drawing, stabilised=stabilised)
    with drawing.pencil():
        (back,) = torch.autograd.grad(a, z, c, create_graph=True)
    return back


def test_quotient_by_hand() -> None:
    z = torch.tensor([-1.0, 0.0, 0.5, 1.0, 3.0], requires_grad=True)
    c = torch.tensor([7.0, 7.0, 2.0, 4.0, -8.0])
    torch.testing.assert_close(drawn(z, c, 1.0), torch.tensor([0.0, 0.0, 2 / 3, 2.0, -6.0]))


@pytest.mark.parametrize(("epsilon", "stabilised"), [(0.0, True), (None, True), (1.0, False)])
def test_without_a_stabiliser_it_is_the_plain_step(epsilon: float | None, stabilised: bool) -> None:
    z = torch.tensor([-1.0, 0.0, 1e-30, 2.0], requires_grad=True)
    back = drawn(z, torch.tensor([3.0, 3.0, 3.0, 3.0]), epsilon, stabilised=stabilised)
    assert back.tolist() == [0, 0, 3, 3]


def test_quotient_is_exactly_zero_where_the_activation_is() -> None:
    z = torch.zeros(100, requires_grad=True)
    for epsilon in (1e-2, 0.3, 1e-7):
        assert not drawn(z, torch.full((100,), 1e8), epsilon).any()


def test_derivatives_of_the_quotient_are_right() -> None:
    z = torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    c = torch.linspace(-2, 2, 50, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z, c: drawn(z, c, 0.1), (z, c))


def test_when_the_drawing_has_ended_it_answers_with_the_ordinary_gradient() -> None:
    z = torch.tensor([-1.0, 2.0], requires_grad=True)
    a = relu(z, Drawing(epsilon=1.0))
    assert torch.autograd.grad(a.sum(), z)[0].tolist() == [0, 1]


def test_differentiating_a_third_time_is_refused_not_wrong() -> None:
    z = torch.tensor([1.0, 2.0], requires_grad=True)
    (second,) = torch.autograd.grad(drawn(z, torch.ones(2), 0.1).square().sum(), z, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        second.sum().backward()


class Net(nn.Module):
    """Two layers and a third that reads the rectified features again; how they are rectified is given."""

    def __init__(self, rectify: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.rectify = rectify
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.conv1, self.conv2 = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.fc = nn.Linear(4 * 25, 3)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        x = self.rectify(self.conv1(images))
        x = x + self.rectify(self.conv2(x))
        return self.fc(x.flatten(1))


def statement(x: Tensor) -> Tensor:
    F.relu_(x)
    return x


def on_a_view(x: Tensor) -> Tensor:
    x.flatten(2).relu_()
    return x


def into_a_buffer(x: Tensor) -> Tensor:
    buffer = torch.empty_like(x)
    buffer[:, :2] = x[:, :2].relu()
    buffer[:, 2:].copy_(x[:, 2:].relu())
    return buffer


SPELLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "functional": F.relu,
    "torch": torch.relu,
    "method": lambda x: x.relu(),
    "method in place": lambda x: x.relu_(),
    "functional in place": lambda x: F.relu(x, inplace=True),
    "functional in place by position": lambda x: F.relu(x, True),
    "keyword": lambda x: F.relu(input=x),
    "statement": statement,
    "module, reused": nn.ReLU(),
    "module in place, reused": nn.ReLU(inplace=True),
    "on a view": on_a_view,
    "by halves": lambda x: torch.cat([half.relu() for half in x.chunk(2, 1)], 1),
    "into a buffer": into_a_buffer,
    "aten": lambda x: torch.ops.aten.relu(x),
    "twice": lambda x: (F.relu(x) + F.relu(x)) / 2,
}


@pytest.mark.parametrize("input_rule", ["zb", "flat", None])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_the_same_map(
    make_images: Callable[..., Tensor], spelling: str, input_rule: str | None
) -> None:
    if input_rule is not None and spelling in ("by halves", "into a buffer"):
        pytest.skip("the first layer's output is rectified in parts, so the ReLU stabilises as any other does")
    images = make_images(2, 2, 5, 5)
    method = LRP(epsilon=0.05, input_rule=input_rule)
    expected = method(Net(lambda x: F.relu(x)), images, Class(0)).attribution
    got = method(Net(SPELLINGS[spelling]), images, Class(0)).attribution
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-15)
