from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class
from sightline.attribution.drawing import Drawing
from sightline.attribution.rules.batch_norm import Norm, Passing, batch_norm, channel_scale
from sightline.errors import ShapeError


def values() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return {
        "x": normal(3, 2, 2, 3).requires_grad_(),
        "running_mean": normal(2),
        "running_var": normal(2).square() + 0.5,
        "weight": normal(2).requires_grad_(),
        "bias": normal(2).requires_grad_(),
    }


def apply(v: dict[str, Tensor], drawing: Drawing, *, training: bool, ends: bool = False) -> Tensor:
    norm = Norm(v["running_mean"], v["running_var"], v["weight"], v["bias"], training, 1e-5)
    return batch_norm(v["x"], norm, 0.1, Passing(drawing, ends=ends))[0]


@pytest.mark.parametrize("training", [False, True])
def test_values_statistics_and_gradients_are_those_of_torch(training: bool) -> None:
    ours, theirs = values(), values()
    y = apply(ours, Drawing(), training=training)
    expected = F.batch_norm(**{"input" if k == "x" else k: t for k, t in theirs.items()}, training=training)
    torch.testing.assert_close(y, expected)
    c = torch.randn_like(y)
    (y * c).sum().backward()
    (expected * c).sum().backward()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name])
        torch.testing.assert_close(ours[name].grad, theirs[name].grad)


@pytest.mark.parametrize("training", [False, True])
def test_the_explanation_is_passed_by_the_scale_and_no_further(training: bool) -> None:
    v = values()
    drawing = Drawing()
    y = apply(v, drawing, training=training)
    c = torch.zeros_like(y)
    c[0] = 1
    with drawing.pencil():
        (back,) = torch.autograd.grad(y, v["x"], c)
    variance = v["x"].var((0, 2, 3), unbiased=False) if training else v["running_var"]
    scale = v["weight"] / (variance + 1e-5).sqrt()
    torch.testing.assert_close(back[0], scale[:, None, None].expand(2, 2, 3).detach())
    assert not back[1:].any()  # the others of the batch made the statistics, and receive nothing
    torch.testing.assert_close(channel_scale(v["x"], v["running_var"], v["weight"], training, 1e-5), scale)


@pytest.mark.parametrize("training", [False, True])
def test_derivatives_of_the_scaling_are_right(training: bool) -> None:
    v = values()
    c = torch.randn(v["x"].shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()

    def back(c: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        drawing = Drawing()
        y = apply(v | {"x": x, "weight": weight}, drawing, training=training)
        with drawing.pencil():
            return torch.autograd.grad(y, x, c, create_graph=True)[0]

    assert torch.autograd.gradcheck(back, (c, v["x"], v["weight"]))


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("training", [False, True])
def test_derivatives_of_output_and_explanation_together_are_right(training: bool, affine: bool) -> None:
    v = values()
    c = torch.randn(v["x"].shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()

    def both(c: Tensor, x: Tensor, *parameters: Tensor) -> Tensor:
        drawing, norm = (
            Drawing(),
            Norm(v["running_mean"], v["running_var"], *parameters or (None, None), training, 1e-5),
        )
        y, _ = batch_norm(x, norm, 0.1, Passing(drawing))
        with drawing.pencil():
            return y + torch.autograd.grad(y, x, c, create_graph=True)[0]

    assert torch.autograd.gradcheck(both, (c, v["x"], *((v["weight"], v["bias"]) if affine else ())))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_derivatives_in_low_precision_are_near(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(4, 3, 8, 8, generator=generator) * 2 + 20).to(dtype)  # a mean of ten deviations
    g, c = (torch.randn(4, 3, 8, 8, generator=generator).to(dtype) for _ in range(2))
    weight = torch.tensor([1.0, -0.5, 2.0])

    def to_x(kind: torch.dtype) -> Tensor:
        leaf, drawing = x.to(kind).requires_grad_(), Drawing()
        like = weight.double() if kind == torch.float64 else weight
        y, _ = batch_norm(leaf, Norm(None, None, like, None, True, 1e-5), 0.1, Passing(drawing))
        with drawing.pencil():
            (back,) = torch.autograd.grad(y, leaf, c.to(kind), create_graph=True)
        return torch.autograd.grad([y, back], leaf, [g.to(kind), g.to(kind)])[0].double()

    expected = to_x(torch.float64)
    assert (to_x(dtype) - expected).norm() <= 8 * torch.finfo(dtype).eps * expected.norm()


def test_no_explanation_passes_where_an_input_rule_takes_over() -> None:
    v, drawing = values(), Drawing()
    y = apply(v, drawing, training=False, ends=True)
    with drawing.pencil():
        assert torch.autograd.grad(y.sum(), v["x"], allow_unused=True, retain_graph=True) == (None,)
    assert torch.autograd.grad(y.sum(), v["x"])[0].any()


def test_one_value_a_channel_has_no_statistics() -> None:
    with pytest.raises(ShapeError, match=r"several values a channel, got \(1, 2\)"):
        batch_norm(torch.rand(1, 2), Norm(None, None, None, None, True, 1e-5), 0.1, Passing(Drawing()))


class Spelled(nn.Module):
    def __init__(self, spelling: str) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.conv1, self.conv2 = nn.Conv2d(2, 3, 3), nn.Conv2d(3, 3, 3)
            self.norm, self.fc = nn.BatchNorm2d(3), nn.Linear(3 * 16, 2)
            nn.init.normal_(self.norm.weight)
            nn.init.normal_(self.norm.running_mean)
        self.double().eval()
        self.spelling = spelling

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv2(F.relu(self.conv1(images)))
        norm = self.norm
        if self.spelling == "module":
            x = norm(x)
        elif self.spelling == "functional":
            x = F.batch_norm(x, norm.running_mean, norm.running_var, weight=norm.weight, bias=norm.bias)
        else:  # the builtin takes its arguments in another order
            statistics = norm.running_mean, norm.running_var
            x = torch.batch_norm(x, norm.weight, norm.bias, *statistics, False, 0.1, 1e-5, False)
        return self.fc(F.relu(x).flatten(1))


@pytest.mark.parametrize("spelling", ["functional", "builtin"])
def test_every_spelling_gives_the_same_map(make_images: Callable[..., Tensor], spelling: str) -> None:
    images = make_images(2, 2, 8, 8)
    got = LRP()(Spelled(spelling), images, Class(1))
    expected = LRP()(Spelled("module"), images, Class(1))
    torch.testing.assert_close(got.logits, expected.logits)
    torch.testing.assert_close(got.attribution, expected.attribution)


def test_one_module_called_twice_before_the_backward_pass(make_net: Callable[..., nn.Module]) -> None:
    net = make_net().train()
    images = torch.rand(3, 2, 8, 8, dtype=torch.float64)
    first, second = LRP()(net, images, Class(0)), LRP()(net, images, Class(1))
    (first.attribution.square().sum() + second.attribution.square().sum() + first.logits.sum()).backward()
    assert all(weight.grad.isfinite().all() for weight in net.parameters())
