"""Whether an exported file answers as the model it was made from; a file that does not is not kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sightline.errors import ExportError

LOGITS_WITHIN = 1e-5  # absolute, or of the largest logit where that is over 1
MAPS_WITHIN = 1e-4  # of the largest absolute value of each map
_BATCHES = (1, 2)

Answers = Callable[[Tensor], tuple[Tensor, ...]]
"""From images to logits, and to maps where there are some."""


@dataclass(frozen=True)
class Agreement:
    """How far an exported file is from its model, over all images that both were given.

    Attributes:
        images: how many.
        logits: largest difference of a logit, absolute, or as a share of the image's largest one where that is over 1.
        maps: largest difference of a map, as a share of its largest absolute value; None where there are no maps.
    """

    images: int
    logits: float
    maps: float | None = None


def check_agreement(
    expected: Answers, found: Answers, shape: Sequence[int], *, examples: Tensor | None = None, batch: int | None = None
) -> Agreement:
    """Give random images, and examples, to a model and to the file that was made from it.

    Args:
        expected: answers of the model, in float32.
        found: answers of the file.
        shape: of one image, `(C, *S)`.
        examples: images to ask both for too, `(N, C, *S)`.
        batch: number of images that the file takes at a time; None for any number.

    Returns:
        The largest differences.

    Raises:
        ExportError: they differ by more than `LOGITS_WITHIN` or `MAPS_WITHIN`, or an answer is not finite.
    """
    differences: list[tuple[int, list[float]]] = []
    for images in _inputs(tuple(shape), examples, batch):
        with torch.no_grad():
            pairs = list(zip(expected(images), found(images), strict=True))
        parts = [_difference(a.detach(), b.detach(), least=1.0 if k == 0 else 0.0) for k, (a, b) in enumerate(pairs)]
        differences.append((len(images), parts))
    worst = [max(column) for column in zip(*(parts for _, parts in differences), strict=True)]
    for what, value, within in zip(("logits", "maps"), worst, (LOGITS_WITHIN, MAPS_WITHIN), strict=False):
        if not value <= within:  # also where it is NaN
            raise ExportError(
                f"the exported {what} differ from those of the model by {value:.1e}, over {within:.0e}, so the file is "
                "not kept"
            )
    return Agreement(sum(count for count, _ in differences), worst[0], worst[1] if len(worst) > 1 else None)


def _inputs(shape: tuple[int, ...], examples: Tensor | None, batch: int | None) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    for size in _BATCHES if batch is None else (batch,):
        yield torch.rand(size, *shape, generator=generator)
    if examples is not None and len(examples):
        size = batch or len(examples)
        missing = -len(examples) % size
        filled = torch.cat([examples, examples[-1:].expand(missing, *shape)]).float()
        yield from torch.split(filled, size)


def _difference(expected: Tensor, found: Tensor, *, least: float) -> float:
    """Largest difference over the largest value of each image; infinite where shapes differ or one is not finite."""
    if expected.shape != found.shape or not bool(expected.isfinite().all() and found.isfinite().all()):
        return float("inf")
    size = expected.abs().flatten(1).amax(1).clamp(min=least)
    off = (expected - found).abs().flatten(1).amax(1)
    return float(torch.where(off > 0, off / size, 0.0).max())  # a map of zeros has no size
