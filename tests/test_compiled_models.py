"""Which passes of a compiled model are compiled, and that all is as before afterwards."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import LRP, Class
from sightline.compiled_models import named_layers, uncompiled
from sightline.errors import ShapeError, SightlineError

Compiled = list[torch.fx.GraphModule]
IMAGES = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def compiled() -> Iterator[Compiled]:
    """What was compiled, graph by graph; what came before is forgotten."""
    torch._dynamo.reset()
    yield []
    torch._dynamo.reset()


class Small(nn.Module):
    """A network as one frame: `compile()` of a bare `nn.Sequential` compiles nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        self.head = nn.Linear(8, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).flatten(1))


def runs(compiled: Compiled) -> Callable[..., Callable[..., Any]]:
    """A backend that notes each run of what it compiled."""

    def backend(graph: torch.fx.GraphModule, inputs: object) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            compiled.append(graph)
            return graph.forward(*given)

        return run

    return backend


@pytest.fixture
def net(compiled: Compiled) -> nn.Module:
    made = Small()
    made.compile(backend=runs(compiled))
    return made


def test_a_pass_that_nothing_watches_is_compiled(net: nn.Module, compiled: Compiled) -> None:
    with uncompiled():
        net(IMAGES)
    assert not compiled
    net(IMAGES)
    assert len(compiled) == 1
    with uncompiled():
        net(IMAGES)
    assert len(compiled) == 1


def test_blocks_may_lie_in_each_other_and_overlap(net: nn.Module, compiled: Compiled) -> None:
    first, second = uncompiled(), uncompiled()  # as two threads enter and leave them
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    net(IMAGES)
    assert not compiled
    second.__exit__(None, None, None)
    net(IMAGES)
    assert len(compiled) == 1


def test_all_is_as_before_after_an_error(net: nn.Module, compiled: Compiled) -> None:
    with pytest.raises(ZeroDivisionError), uncompiled():
        raise ZeroDivisionError
    with pytest.raises(ShapeError):
        LRP()(nn.Sequential(net, nn.Linear(3, 2)), IMAGES, Class(0))
    net(IMAGES)
    assert len(compiled) == 1


def test_a_stance_of_the_callers_own_comes_back(net: nn.Module, compiled: Compiled) -> None:
    net(IMAGES)
    with torch.compiler.set_stance("fail_on_recompile"):
        with uncompiled():
            net(IMAGES[:1])
        net(IMAGES)
        with pytest.raises(RuntimeError, match="recompile"):
            net.double()(IMAGES.double())
    assert len(compiled) == 2


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # which the compiler looks at, and would show nobody
def test_a_function_that_explains_is_refused_by_the_compiler_and_can_be_left_out(compiled: Compiled) -> None:
    net = Small()

    def step(images: Tensor) -> Tensor:
        return LRP()(net, images, Class(0)).attribution.abs().sum()

    with pytest.raises(SightlineError, match=r"model\.compile\(\)"):
        torch.compile(step, backend="eager")(IMAGES)

    def left_out(images: Tensor) -> Tensor:
        return 2 * torch.compiler.disable(step)(images.square()).detach()

    found = torch.compile(left_out, backend=runs(compiled))(IMAGES)
    assert len(compiled) == 2
    torch.testing.assert_close(found, left_out(IMAGES))


def test_layers_are_named_as_before_they_were_compiled(compiled: Compiled) -> None:
    net = Small()
    names = [name for name, _ in net.named_modules()]
    convolution = net.features[0]
    net.features = torch.compile(net.features, backend="eager")
    layers = named_layers(torch.compile(net, backend="eager"))
    assert list(layers) == names
    assert layers["features.0"] is convolution
    assert layers[""] is net  # which has the weights that belong to none of its parts


def test_an_explanation_does_not_load_the_compiler() -> None:
    code = """
import sys, torch
from sightline.attribution import LRP, Class
LRP(input_rule=None)(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)), torch.rand(1, 1, 2, 2), Class(0))
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
