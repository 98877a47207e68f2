import math
from typing import Literal

import pytest
import torch
from torch import nn

from sightline.errors import SettingsError
from sightline.training import OptimSettings
from sightline.training.optimisation import clip_gradients, learning_rate, make_average, make_optimiser


def test_the_rate_rises_in_the_warm_up_and_falls_by_half_a_cosine() -> None:
    settings = OptimSettings(lr=2.0, warmup=0.4)
    rates = [learning_rate(settings, step, 10) for step in range(10)]
    falls = [(1 + math.cos(math.pi * step / 10)) for step in range(10)]  # lr / 2 times it
    assert rates[:4] == pytest.approx([fall * (step + 1) / 4 for step, fall in enumerate(falls[:4])])
    assert rates[4:] == pytest.approx(falls[4:])


def test_the_rate_stays_where_it_is_told_to() -> None:
    settings = OptimSettings(lr=0.5, warmup=0.0, schedule="constant")
    assert [learning_rate(settings, step, 3) for step in range(3)] == [0.5, 0.5, 0.5]


def test_the_rate_goes_up_and_down_in_ever_lower_triangles() -> None:
    settings = OptimSettings(lr=0.5, warmup=0.0, schedule="triangular2", cycle=2)
    rates = [learning_rate(settings, step, 99, per_epoch=3) for step in range(27)]
    # by hand: factor = lr + (1 - lr) * triangle / 2 ** (cycle - 1), one value an epoch, times lr
    triangles = [0, 0.5, 1, 0.5, 0, 0.25, 0.5, 0.25, 0]
    assert rates[::3] == pytest.approx([0.5 * (0.5 + 0.5 * value) for value in triangles])
    assert rates[3] == rates[4] == rates[5] != rates[6]


def test_triangles_are_those_of_the_published_code() -> None:
    """As torch's LambdaLR would draw them from the factor in the EGD-CXR baseline, with its tuned numbers."""
    base, size = 0.0090552, 2

    def factor(epoch: int) -> float:
        cycle = math.floor(1 + epoch / (2 * size))
        x = abs(epoch / size - 2 * cycle + 1)
        return base + (1 - base) * max(0, 1 - x) / 2 ** (cycle - 1)

    optimiser = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=base)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    settings = OptimSettings(name="adam", lr=base, warmup=0.0, schedule="triangular2", cycle=size)
    for epoch in range(35):
        assert learning_rate(settings, epoch, 35) == pytest.approx(schedule.get_last_lr()[0], rel=1e-12)
        optimiser.step()
        schedule.step()


def test_gradients_are_limited_one_by_one_and_then_together() -> None:
    one, other, frozen = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    one.grad, other.grad = torch.tensor([3.0, -4.0]), torch.tensor([0.5, 12.0])
    norm = clip_gradients([one, other, frozen], OptimSettings(clip_value=1.0, clip_norm=None))
    assert norm == pytest.approx(math.sqrt(9 + 16 + 0.25 + 144))  # as it came
    assert (one.grad.tolist(), other.grad.tolist()) == ([1, -1], [0.5, 1])
    clip_gradients([one, other], OptimSettings(clip_value=1.0, clip_norm=1.0))
    together = torch.cat([one.grad, other.grad])
    assert together.norm() == pytest.approx(1, rel=1e-5)
    assert together[0] == pytest.approx(1 / math.sqrt(3.25), rel=1e-5)


@pytest.mark.parametrize(
    ("option", "words"),
    [({"clip_value": 0}, "clip_value must be positive"), ({"cycle": 0}, "cycle and plateau must be at least 1 epoch")],
)
def test_wrong_options_are_refused(option: dict[str, int], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        OptimSettings(**option)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_the_optimiser_is_the_one_named_and_leaves_frozen_weights(name: str, kind: type) -> None:
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    optimiser = make_optimiser(model, OptimSettings(name=name, momentum=0.5, weight_decay=0.25))  # type: ignore[arg-type]
    (group,) = optimiser.param_groups
    assert type(optimiser) is kind
    assert group["weight_decay"] == 0.25
    assert group.get("momentum", 0.5) == 0.5
    assert len(group["params"]) == 1
    assert group["params"][0] is model.weight


def test_weights_beside_the_models_are_trained_with_it() -> None:
    model, other = nn.Linear(2, 2), nn.Linear(1, 1)
    (group,) = make_optimiser(model, OptimSettings(), other).param_groups
    assert len(group["params"]) == 4


def test_the_average_forgets_its_start_and_then_decays_as_set() -> None:
    model = nn.BatchNorm1d(1)
    average = make_average(model, OptimSettings(averaging=0.25))
    assert average is not None
    values = [8.0, 4.0, 2.0, 1.0]
    expected = values[0]
    for count, value in enumerate(values):
        with torch.no_grad():
            model.weight.fill_(value)
            model.running_mean.fill_(2 * value)
            model.num_batches_tracked.fill_(count)
        average.update_parameters(model)
        decay = min(0.25, (1 + count) / (10 + count)) if count else 0.0
        expected = decay * expected + (1 - decay) * value
    assert average.module.weight.item() == pytest.approx(expected)
    assert average.module.running_mean.item() == pytest.approx(2 * expected)
    assert average.module.num_batches_tracked.item() == 3


def test_no_average_where_none_is_asked_for() -> None:
    assert make_average(nn.Linear(1, 1), OptimSettings(averaging=0.0)) is None


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_all_weights_in_one_kernel_move_as_each_by_itself(name: Literal["adamw", "adam", "sgd"]) -> None:
    moved = []
    for fused in (False, True):
        torch.manual_seed(0)
        layer = nn.Linear(5, 3)
        optimiser = make_optimiser(layer, OptimSettings(name=name, lr=0.1, weight_decay=0.01, fused=fused))
        assert bool(optimiser.defaults["fused"]) is fused
        for _ in range(3):
            optimiser.zero_grad()
            layer(torch.rand(4, 5)).square().sum().backward()
            optimiser.step()
        moved.append(layer.weight.detach())
    torch.testing.assert_close(*moved, rtol=1e-5, atol=1e-6)
