"""The optimiser, the course of its learning rate, and the running average of the weights."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sightline.training.optim_settings import OptimSettings
from sightline.training.sharding import is_part


def make_optimiser(model: nn.Module, settings: OptimSettings, *others: nn.Module) -> torch.optim.Optimizer:
    """Make the optimiser that the settings name, over all weights that ask for a gradient.

    Args:
        model: whose weights are trained.
        settings: which optimiser.
        *others: modules whose weights are trained with it, as those of a guidance.
    """
    weights = [weight for part in (model, *others) for weight in part.parameters() if weight.requires_grad]
    if settings.name == "sgd":
        return torch.optim.SGD(
            weights,
            lr=settings.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=settings.fused or None,
        )
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return kind(weights, lr=settings.lr, weight_decay=settings.weight_decay, fused=settings.fused or None)


def learning_rate(settings: OptimSettings, step: int, steps: int, *, per_epoch: int = 1, factor: float = 1.0) -> float:
    r"""Learning rate at `step` of `steps`, counted from 0: a linear rise, then the course that the settings name.

    Args:
        settings: with the course and its highest rate.
        step: from 0.
        steps: in all.
        per_epoch: steps of an epoch, for `triangular2`, whose rate changes once an epoch.
        factor: by which `plateau` has lowered the rate so far.

    Reference:
        `triangular2`: Smith 2017, doi:10.1109/WACV.2017.58. The rate starts from the square of the highest one, as in
        the EGD-CXR baseline (Karargyris et al. 2021, doi:10.1038/s41597-021-00863-5), whose code multiplies the rate
        $\eta$ by $\eta + (1 - \eta)\,t / 2^{c - 1}$ with $t$ the triangle in [0, 1] and $c$ the number of the cycle.
    """
    warm = settings.warmup * steps
    rise = min(1.0, (step + 1) / warm) if warm else 1.0
    if settings.schedule == "cosine":
        course = 0.5 * (1 + math.cos(math.pi * step / steps))
    elif settings.schedule == "triangular2":
        epoch = step // per_epoch
        cycle = 1 + epoch // (2 * settings.cycle)
        triangle = max(0.0, 1 - abs(epoch / settings.cycle - 2 * cycle + 1))
        course = settings.lr + (1 - settings.lr) * triangle / 2 ** (cycle - 1)
    else:
        course = 1.0
    return settings.lr * rise * course * factor


def clip_gradients(weights: Iterable[nn.Parameter], settings: OptimSettings) -> Tensor:
    """Limit the gradients in place, each weight's first and then all together.

    Returns:
        Their norm before, scalar.
    """
    chosen = [weight for weight in weights if weight.grad is not None]
    norm = nn.utils.get_total_norm([weight.grad for weight in chosen if weight.grad is not None])
    if settings.clip_value is not None:
        nn.utils.clip_grad_value_(chosen, settings.clip_value)
    if settings.clip_norm is not None:
        nn.utils.clip_grad_norm_(chosen, settings.clip_norm)
    return norm.full_tensor() if is_part(norm) else norm


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
