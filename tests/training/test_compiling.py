"""Training a compiled model: the gradients of the plain one, and whatever nothing watches compiled."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sightline.compiled_models import uncompiled
from sightline.errors import SettingsError
from sightline.guidance import BackgroundRelevanceSettings
from sightline.models import ModelSettings
from sightline.training import TrainSettings, train
from sightline.training.processes import Processes
from sightline.types import Guided

from . import shared_gradients
from .shared_gradients import CASES, Case, Maps, Net, gradients

Make = Callable[..., TrainSettings]

pytestmark = [  # of torch's own, which nobody would be shown
    pytest.mark.filterwarnings("ignore:The .grad attribute"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method`"),
]


class Compiled(Net):
    def __init__(self) -> None:
        super().__init__()
        self.compile(backend="aot_eager")


class Runs:
    """A backend that counts how often it runs in place of a pass."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: object) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            self.count += 1
            return graph.forward(*given)

        return run


@pytest.fixture(scope="module", autouse=True)
def _forgotten() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def compared(case: Case, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    plain = gradients(case, Processes())
    monkeypatch.setattr(shared_gradients, "Net", Compiled)
    return gradients(case, Processes()), plain


@pytest.mark.parametrize("name", [name for name in CASES if name != "maps of ham"])
def test_gradients_are_those_of_the_plain_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, expected = compared(CASES[name], monkeypatch)
    assert found.keys() == expected.keys()
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12, equal_nan=True)


class MapsUncompiled(Maps):
    def forward(self, *given: Any) -> Guided:
        with uncompiled():
            return super().forward(*given)


def test_a_guidance_that_asks_a_part_and_then_the_whole_must_ask_both_uncompiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):  # torch's, see the test below
        compared(CASES["maps of ham"], monkeypatch)
    found, expected = compared(Case(MapsUncompiled, several_labels=True), monkeypatch)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_torch_cannot_go_back_through_a_plain_and_then_a_compiled_batch_normalisation() -> None:
    net, images = nn.BatchNorm2d(2), torch.rand(2, 2, 3, 3)
    loss = net(images).square().sum() + torch.compile(net, backend="aot_eager")(images).square().sum()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


LAZY = BackgroundRelevanceSettings(variant="original", every=3)
TRIED = 1  # the function of one line


@pytest.mark.parametrize(
    ("guidance", "averaging", "passes"),
    [
        pytest.param(None, 0.0, TRIED + 1 + 2 * (3 + 2), id="two images, then three steps and two batches an epoch"),
        pytest.param(None, 0.5, TRIED + 1 + 2 * 3, id="the running average is a copy", marks=pytest.mark.slow),
        pytest.param(LAZY, 0.0, TRIED + 4, id="two of six steps are explained"),
    ],
)
def test_a_run_compiles_what_nothing_watches_and_learns_the_same(
    make_settings: Make, tmp_path: Path, guidance: BackgroundRelevanceSettings | None, averaging: float, passes: int
) -> None:
    model = ModelSettings("resnet18", in_channels=1, width=4)
    options = {"model": model, "guidance": guidance, "optim": {"averaging": averaging}}
    plain = load_file(train(make_settings(**options), tmp_path / "plain").weights)
    runs = Runs()
    with torch.compiler.set_stance("default", force_backend=runs):
        run = train(make_settings(**options, compile=True), tmp_path / "compiled")
    compiled = load_file(run.weights)
    assert compiled.keys() == plain.keys()
    torch.testing.assert_close(compiled, plain)
    assert runs.count == passes


def test_a_machine_that_cannot_compile_is_told_before_anything_is_written(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = pytest.importorskip("torch._inductor.config")
    monkeypatch.setattr(config.cpp, "cxx", (None, "/nowhere/g++"))
    with pytest.raises(SettingsError, match=r"No working C\+\+ compiler.*compile=false") as told:
        train(make_settings(compile=True, device="cpu"), tmp_path / "run")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "run").exists()
