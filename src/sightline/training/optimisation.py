"""The optimiser, the course of its learning rate, and the running average of the weights."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sightline.training.settings import OptimSettings


def make_optimiser(model: nn.Module, settings: OptimSettings) -> torch.optim.Optimizer:
    """Make the optimiser that the settings name, over all weights of the model."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if settings.name == "sgd":
        return torch.optim.SGD(weights, lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay)
    return torch.optim.AdamW(weights, lr=settings.lr, weight_decay=settings.weight_decay)


def learning_rate(settings: OptimSettings, step: int, steps: int) -> float:
    """Learning rate at `step` of `steps`, counted from 0: a linear rise, then a half cosine or a constant."""
    warm = settings.warmup * steps
    rise = min(1.0, (step + 1) / warm) if warm else 1.0
    fall = 0.5 * (1 + math.cos(math.pi * step / steps)) if settings.schedule == "cosine" else 1.0
    return settings.lr * rise * fall


def make_average(model: nn.Module, settings: OptimSettings) -> AveragedModel | None:
    """Make the exponential moving average of weights and batch statistics; None where none is asked for.

    The decay rises to its full value over the first updates, so that the random start is soon forgotten.
    """
    if not settings.averaging:
        return None

    def update(averages: Sequence[Tensor], values: Sequence[Tensor], count: Tensor | int) -> None:
        decay = min(settings.averaging, (1 + int(count)) / (10 + int(count)))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)

    return AveragedModel(model, multi_avg_fn=update, use_buffers=True)
