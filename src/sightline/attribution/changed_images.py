"""Classifies many changed copies of each image: what explanations do that only ask the model for answers.

Images are explained one after the other, so that a map is the same whatever batch the image came in. The first forward
pass is of the images, in the mode the model is in; changed copies are classified in evaluation mode, a chunk at a time.
With grad mode on the map is on the graph, and the activations of all copies are kept: memory grows with their number.
With grad mode off a chunk is freed as soon as its scores are counted in.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from sightline.attribution.explainer import classify, evaluation_mode, recording, same_scores, select, stack_maps
from sightline.attribution.targets import Target
from sightline.errors import SettingsError, ShapeError
from sightline.types import Explanation

Fill = float | Literal["mean"]  # what stands where a copy hides its image: a pixel value, or the mean of each channel
Progress = Callable[[int, int], None]  # called with how many copies are classified, and how many there are
Ask = Callable[[Tensor], Tensor]  # from copies (B, C, *S), which the model may write to, to their scores (M, B)


def explain_by_changes(
    model: nn.Module,
    images: Tensor,
    target: Target,
    draw: Callable[[int, Tensor, Ask], Tensor],
    *,
    copies: int,
    progress: Progress | None,
) -> Explanation:
    """Classify the images, and explain each by the scores of its changed copies.

    Args:
        model: any module from images to logits; comes back as it was.
        images: `(N, C, *S)`; not written to.
        target: what to explain; the first forward pass settles which class that is.
        draw: from the index of an image, the image `(C, *S)`, and a function that classifies copies of it, to its maps
            `(M, *S)`.
        copies: number of copies that `draw` makes of an image.
        progress: called after each chunk.

    Returns:
        Logits and an attribution of one channel, `(N, 1, *S)` or `(N, K, 1, *S)`.

    Raises:
        ShapeError: images have no spatial axis, or as in `Explainer`.
        SettingsError: the target does not say what to choose from the logits of a changed image.
    """
    wants_graph = torch.is_grad_enabled()
    with recording(images), torch.set_grad_enabled(wants_graph):  # nothing is differentiated here
        if images.ndim < 3:
            raise ShapeError(
                f"images must have a spatial axis to be changed along, got {tuple(images.shape)}; "
                "explain rows of numbers by Saliency or LRP"
            )
        pixels = images.detach()
        logits = classify(model, pixels.clone())  # the model may write to it
        selection = select(target, logits, images)
        done = 0

        def ask(image: int, changed: Tensor) -> Tensor:
            nonlocal done
            scores = same_scores(selection, model(changed), torch.full((len(changed),), image, device=logits.device))
            done += len(changed)
            if progress is not None:
                progress(done, copies * len(images))
            return scores

        none = images.new_empty(len(selection.scores), 0, 1, *images.shape[2:])  # a batch may be empty
        with evaluation_mode(model):
            maps = [draw(n, image, partial(ask, n))[:, None, None] for n, image in enumerate(pixels)]
        attribution = stack_maps(list(torch.cat([none, *maps], 1).to(images.dtype)), selection)
    return Explanation(logits, attribution, selection.classes)


def chunks(size: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Walk through tensors `(B, ...)` together, `size` rows at a time."""
    return zip(*(torch.split(tensor, size) for tensor in tensors), strict=True)


def weighted_sum(scores: Tensor, weights: Tensor) -> Tensor:
    """Add up the weights of copies, each times its score, in single precision or better.

    Args:
        scores: `(M, B)`.
        weights: `(B, ...)`.

    Returns:
        `(M, ...)`.
    """
    dtype = torch.promote_types(torch.promote_types(scores.dtype, weights.dtype), torch.float32)
    with torch.autocast(scores.device.type, enabled=False):
        return torch.einsum("mb,b...->m...", scores.to(dtype), weights.to(dtype))


def filling(image: Tensor, fill: Fill) -> Tensor:
    """What stands where an image `(C, *S)` is hidden, to be broadcast to it."""
    if fill == "mean":
        return image.mean(tuple(range(1, image.ndim)), keepdim=True)
    return image.new_tensor(fill)


def check_fill(fill: Fill) -> None:
    """Raise SettingsError where `fill` is neither a finite number nor "mean"."""
    if fill != "mean" and not (isinstance(fill, int | float) and math.isfinite(fill)):
        raise SettingsError(f"value must be a finite number or 'mean', got {fill!r}")


def check_at_least_one(**options: int) -> None:
    """Raise SettingsError for the first option below 1."""
    for name, value in options.items():
        if value < 1:
            raise SettingsError(f"{name} must be at least 1, got {value}")
