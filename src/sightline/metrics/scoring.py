"""What a model says of changed images, many at once.

A `Score` takes images `(B, C, *S)` and gives one number for each, `(B,)`: the logit or the probability to explain, from
a model in evaluation mode. It is asked about whole rounds of the N images in their order, so B is a multiple of N and
row b was made from image b mod N. A score with a class for each image repeats its classes:

    def score(changed):
        classes = labels.repeat(len(changed) // len(labels))
        return model(changed).gather(1, classes[:, None])[:, 0]

An `Explain` takes a model and images `(N, C, *S)` and gives their maps, `(N, ...)`. It is asked about one round at a
time. It must explain the same class throughout, and not the predicted one, which changes with the images and weights.
Sightline's own explainers keep a graph that is not needed here: call the metric under `torch.no_grad()`.
"""

from collections.abc import Callable, Iterable
from itertools import islice

import torch
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError
from sightline.metrics.maps import as_tensor

Score = Callable[[Tensor], Tensor]
Explain = Callable[[nn.Module, Tensor], Tensor]


def score_changed(score: Score, rounds: Iterable[Tensor], *, batch_size: int) -> Tensor:
    """Score images that were changed in many ways.

    Args:
        score: see the module.
        rounds: T times the N images, changed, `(N, C, *S)` each; made when needed.
        batch_size: images that are scored at once, rounded down to whole rounds, at least one.

    Returns:
        `(T, N)`, without a graph.

    Raises:
        SettingsError: the batch size is not positive.
        ShapeError: the score did not give one number an image.
    """
    if batch_size < 1:
        raise SettingsError(f"batch_size must be at least 1, got {batch_size}")
    remaining, scores = iter(rounds), []
    while first := list(islice(remaining, 1)):
        n = len(first[0])
        changed = [*first, *islice(remaining, max(1, batch_size // max(1, n)) - 1)]
        block = torch.cat(changed)
        with torch.no_grad():
            answer = score(block)
        if not isinstance(answer, Tensor) or answer.shape != block.shape[:1]:
            came = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            raise ShapeError(
                f"score must give one number for each of {len(changed)} x {n} images, ({len(block)},), got {came}; "
                "repeat the classes of the images, or choose a smaller batch_size"
            )
        scores.append(as_tensor(answer.detach()).to(block.device).reshape(len(changed), n))
    return torch.cat(scores)


def explained(explain: Explain, model: nn.Module, images: Tensor, *, like: Tensor | None = None) -> Tensor:
    """Explain images.

    Args:
        explain: see the module.
        model: handed to `explain`.
        images: `(N, C, *S)`.
        like: an earlier answer, whose shape the maps must have.

    Returns:
        Maps, `(N, ...)`, without a graph.

    Raises:
        ShapeError: the maps do not fit the images, or have another shape than before.
    """
    maps = as_tensor(explain(model, images).detach())
    wanted = (len(images), *maps.shape[1:]) if like is None else tuple(like.shape)
    if maps.ndim < 2 or tuple(maps.shape) != wanted:
        raise ShapeError(f"explain must give maps ({len(images)}, ...), the same shape each time, got {maps.shape}")
    return maps


def evidence(attribution: Tensor, images: Tensor) -> Tensor:
    """Add up the channels of maps that belong to images.

    Args:
        attribution: signed explanations, `(N, any, *S)`.
        images: `(N, C, *S)`.

    Returns:
        `(N, *S)`, without a graph.

    Raises:
        ShapeError: maps and images do not fit.
    """
    fits = attribution.ndim == images.ndim >= 3 and attribution.shape[2:] == images.shape[2:]
    if not fits or len(attribution) != len(images) or not images.is_floating_point():
        raise ShapeError(
            f"images must be floating point (N, C, *S) and attribution (N, any, *S), got {images.dtype} "
            f"{tuple(images.shape)} and {tuple(attribution.shape)}; resize the maps to the images"
        )
    return as_tensor(attribution.detach()).to(images.device).sum(1)


def background(images: Tensor, baseline: Tensor | None) -> Tensor:
    """Return what stands in for removed pixels, zeros by default, in the shape of the images.

    Raises:
        ShapeError: the baseline does not fit the images.
    """
    if baseline is None:
        return torch.zeros_like(images)
    try:
        return baseline.to(images).expand_as(images)
    except RuntimeError:
        raise ShapeError(f"baseline must broadcast to {tuple(images.shape)}, got {tuple(baseline.shape)}") from None
