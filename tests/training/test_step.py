"""The gradient of a batch, alone, in parts, and shared among real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sightline.data.epochs import evenly
from sightline.guidance import BackgroundRelevance
from sightline.training.processes import Processes
from sightline.training.step import Gradients

from .shared_gradients import CASES, COUNT, Case, Net, after_steps, gradients, make_batch, of_strategies

Found = dict[str, dict[str, Tensor]]


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What two processes find, whose start is most of what this costs."""
    folder = tmp_path_factory.mktemp("two")
    script, out = Path(__file__).with_name("shared_gradients.py"), folder / "out.pt"
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}
    started = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), "2", str(folder / "store"), str(out)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        told = [process.communicate(timeout=180)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], "\n".join(told)
    return torch.load(out, weights_only=True)


@pytest.mark.parametrize(
    ("strategy", "name"), [(each, name) for each, cases in of_strategies().items() for name in cases]
)
def test_two_processes_have_the_gradient_of_one(by_two: Found, strategy: str, name: str) -> None:
    alone, shared = gradients(CASES[name], Processes()), by_two[f"{strategy}: {name}"]
    assert shared.keys() == alone.keys()
    largest = max(float(value.abs().max()) for key, value in alone.items() if key.startswith("gradient"))
    assert largest > 1e-4
    for key, value in alone.items():
        there = shared[key].to(value.dtype)
        torch.testing.assert_close({key: there}, {key: value}, rtol=1e-9, atol=1e-9 * largest, equal_nan=True)


@pytest.mark.parametrize("strategy", of_strategies())
def test_two_processes_make_the_steps_of_one_and_go_on_from_its_states(by_two: Found, strategy: str) -> None:
    alone, shared = after_steps(Processes()), by_two[f"{strategy}: after steps"]
    assert float(alone["norms"].max()) > 0.5  # was limited
    torch.testing.assert_close(shared, alone, rtol=1e-7, atol=1e-9, check_dtype=False)


def test_parts_have_the_gradient_of_the_whole_where_images_do_not_mix() -> None:
    found = []
    for parts in (1, 3):
        torch.default_generator.manual_seed(1)
        model, guidance = Net().double().eval(), BackgroundRelevance(variant="stochastic").train()
        batch = make_batch(Case(BackgroundRelevance, unknown=()))
        train = Gradients(model, guidance, Processes(), "float32", True)
        values = train(batch, [evenly(part, 1) for part in evenly(range(COUNT), parts)])
        found.append((values, {name: weight.grad for name, weight in model.named_parameters() if "draws" not in name}))
    (one, first), (three, second) = found
    assert three == pytest.approx(one, rel=1e-6)
    torch.testing.assert_close(second, first, rtol=1e-9, atol=1e-12)
