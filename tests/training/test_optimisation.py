import math

import pytest
import torch
from torch import nn

from sightline.training import OptimSettings
from sightline.training.optimisation import learning_rate, make_average, make_optimiser


def test_the_rate_rises_in_the_warm_up_and_falls_by_half_a_cosine() -> None:
    settings = OptimSettings(lr=2.0, warmup=0.4)
    rates = [learning_rate(settings, step, 10) for step in range(10)]
    falls = [(1 + math.cos(math.pi * step / 10)) for step in range(10)]  # lr / 2 times it
    assert rates[:4] == pytest.approx([fall * (step + 1) / 4 for step, fall in enumerate(falls[:4])])
    assert rates[4:] == pytest.approx(falls[4:])


def test_the_rate_stays_where_it_is_told_to() -> None:
    settings = OptimSettings(lr=0.5, warmup=0.0, schedule="constant")
    assert [learning_rate(settings, step, 3) for step in range(3)] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
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
