from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from sightline.guidance import BackgroundRelevanceSettings
from sightline.training import Stage, TrainSettings, step_cost
from sightline.types import Batch

Make = Callable[..., TrainSettings]


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    regions = torch.zeros(4, 1, 32, 32)
    regions[..., 8:24, 8:24] = 1
    return Batch(torch.rand(4, 1, 32, 32, generator=generator), torch.tensor([0, 1, 2, 0]), regions, tuple("abcd"))


def test_a_guided_step_takes_the_time_it_takes(make_settings: Make, batch: Batch) -> None:
    cost = step_cost(make_settings(), batch, num_classes=3, pairs=3)
    assert cost.least <= cost.ratio <= cost.greatest
    assert cost.ratio > 1  # one more backward pass, and one through it
    assert 0 < cost.plain_s < cost.guided_s
    assert cost.as_dict()["parameters"] == cost.parameters


def test_weights_are_counted(make_settings: Make, batch: Batch) -> None:
    from sightline.models import build_model

    settings = make_settings(guided=False)
    model = build_model(settings.model, num_classes=3, seed=0)
    assert step_cost(settings, batch, num_classes=3, pairs=1).parameters == sum(p.numel() for p in model.parameters())


def test_stages_weigh_by_their_epochs(make_settings: Make, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([9.0, 9.0, 9.0, 9.0, 1.0, 2.0, 9.0, 9.0, 9.0, 9.0, 2.0, 12.0])  # two turns of each are not counted
    monkeypatch.setattr("sightline.training.cost._time", lambda *_: next(seconds))
    stages = {"one": Stage(3), "two": Stage(1, trains=("fc",), guidance=BackgroundRelevanceSettings())}
    cost = step_cost(make_settings(guided=False, stages=stages), batch, num_classes=3, pairs=1)
    assert cost.ratio == cost.least == 0.75 * 2 + 0.25 * 6
    assert (cost.plain_s, cost.guided_s) == (0.75 * 1 + 0.25 * 2, 0.75 * 2 + 0.25 * 12)


def test_a_warm_up_is_left_out(make_settings: Make, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("sightline.training.cost._time", lambda model, guidance, *_: seen.append(guidance) or 1.0)
    step_cost(make_settings(guidance=BackgroundRelevanceSettings(warm_up=9)), batch, num_classes=3, pairs=1)
    assert [each.settings.warm_up for each in seen[1::2]] == [0, 0, 0]


def test_torchs_generator_is_left_alone(make_settings: Make, batch: Batch) -> None:
    settings = replace(make_settings(), model=replace(make_settings().model, dropout=0.0))
    before = torch.random.get_rng_state()
    step_cost(settings, batch, num_classes=3, pairs=1)
    assert torch.equal(torch.random.get_rng_state(), before)
