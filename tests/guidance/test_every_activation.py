from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.attribution.drawing import Drawing
from sightline.guidance.every_activation import EveryActivation

Z = torch.tensor([-2.0, -0.5, 0.5, 2.0, 3.0], dtype=torch.float64)
G = torch.tensor([1.0, 2.0, 3.0, -4.0, 5.0], dtype=torch.float64)


def slope(function: Callable[[Tensor], Tensor]) -> Tensor:
    z = Z.clone().requires_grad_()
    return torch.autograd.grad(function(z).sum(), z)[0]


@pytest.mark.parametrize("function", [F.silu, F.gelu, F.hardswish, F.mish, F.elu, F.leaky_relu])
def test_gradients_while_drawing_and_afterwards(function: Callable[[Tensor], Tensor]) -> None:
    ordinary = G * slope(function)
    guided = G.clamp(min=0) * (Z > 0) * slope(function)
    for rectifier, expected in (("guided", guided), ("deconvnet", G.clamp(min=0))):
        drawing = Drawing(rectifier=rectifier)  # type: ignore[arg-type]
        z = Z.clone().requires_grad_()
        with EveryActivation(drawing):
            a = function(z)
        torch.testing.assert_close(a, function(Z))
        with drawing.pencil():
            (drawn,) = torch.autograd.grad(a, z, G, retain_graph=True)
        torch.testing.assert_close(drawn, expected)
        torch.testing.assert_close(torch.autograd.grad(a, z, G)[0], ordinary)


@pytest.mark.parametrize("rectifier", ["guided", "deconvnet"])
def test_an_activation_in_place_is_the_same(rectifier: Any) -> None:
    results = []
    for inplace in (False, True):
        drawing = Drawing(rectifier=rectifier)
        leaf = Z.clone().requires_grad_()
        with EveryActivation(drawing):
            z = 2 * leaf
            a = F.silu(z, inplace=inplace)
        assert (z is a) == inplace
        with drawing.pencil():
            results.append((a.detach(), torch.autograd.grad(a, leaf, G)[0]))
    torch.testing.assert_close(results[0], results[1])


def test_a_relu_and_all_else_are_left_alone() -> None:
    with EveryActivation(Drawing(rectifier="deconvnet", active=True)):
        z = Z.clone().requires_grad_()
        a = F.relu(z) + z.sigmoid()
    torch.testing.assert_close(torch.autograd.grad(a, z, G)[0], G * slope(lambda z: z.relu() + z.sigmoid()))
