"""What a method costs: its training step over that of the same network trained by classification alone."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn

from sightline.guidance import Guidance, GuidanceSettings, Unguided, make_guidance
from sightline.models import build_model
from sightline.training.environment import find_device
from sightline.training.precision import Precision, autocast
from sightline.training.settings import TrainSettings
from sightline.training.stages import Stage, only_training, training_mode
from sightline.types import Batch


@dataclass(frozen=True)
class StepCost:
    """Cost of one training step, without the optimiser, which is the same for both.

    Attributes:
        ratio: median over pairs of steps, one right after the other; of a training in stages the mean, weighed by their
            epochs.
        least: smallest ratio of a pair.
        greatest: largest ratio of a pair.
        plain_s: median time of a step by classification alone, seconds.
        guided_s: of a step of the method, seconds.
        parameters: number of weights of the network.
    """

    ratio: float
    least: float
    greatest: float
    plain_s: float
    guided_s: float
    parameters: int

    def as_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def step_cost(settings: TrainSettings, batch: Batch, *, num_classes: int, pairs: int = 5) -> StepCost:
    """Time steps of a method and of classification alone in turns, on the same batch and network.

    Steps of a warm-up, in which a method only measures, are left out.

    Args:
        settings: of the method; its device is used.
        batch: images to train on.
        num_classes: K.
        pairs: of steps to time after two that are not.
    """
    device = find_device(settings.device)
    model = build_model(settings.model, num_classes=num_classes, seed=settings.seed).to(device)
    moved = Batch(batch.images.to(device), batch.labels.to(device), batch.regions.to(device), batch.cases)
    stages = settings.all_stages.values()
    times = [_times(model, stage, moved, settings.precision, pairs) for stage in stages]
    ratios = [[guided / plain for plain, guided in each] for each in times]
    shares = [stage.epochs / sum(stage.epochs for stage in stages) for stage in stages]

    def mean(of: Callable[[list[float]], float], values: list[list[float]]) -> float:
        return sum(share * of(each) for share, each in zip(shares, values, strict=True))

    return StepCost(
        mean(statistics.median, ratios),
        mean(min, ratios),
        mean(max, ratios),
        mean(statistics.median, [[plain for plain, _ in each] for each in times]),
        mean(statistics.median, [[guided for _, guided in each] for each in times]),
        sum(weight.numel() for weight in model.parameters()),
    )


def _times(model: nn.Module, stage: Stage, batch: Batch, precision: Precision, pairs: int) -> list[tuple[float, float]]:
    """Seconds of a plain and of a guided step, pair by pair."""
    plain, guided = Unguided(), make_guidance(without_warm_up(stage.guidance)).to(batch.images.device)
    found = []
    for turn in range(pairs + 2):
        training_mode(model, ())
        first = _time(model, plain, batch, precision)
        with only_training(model, stage.trains):
            training_mode(model, stage.trains)
            second = _time(model, guided, batch, precision)
        if turn >= 2:
            found.append((first, second))
    return found


def without_warm_up(settings: GuidanceSettings | None) -> GuidanceSettings | None:
    """Return the same settings without the steps in which it only measures."""
    return replace(settings, warm_up=0) if getattr(settings, "warm_up", 0) else settings  # type: ignore[type-var]


def _time(model: nn.Module, guidance: Guidance, batch: Batch, precision: Precision) -> float:
    device = batch.images.device.type
    model.zero_grad()
    _wait(device)
    start = time.perf_counter()
    with autocast(device, precision):
        loss = guidance(model, batch.images, batch.labels, batch.regions).loss
    loss.backward()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
