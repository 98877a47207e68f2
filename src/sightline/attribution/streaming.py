"""Explains many images, or many classes of one, part by part, so that no more maps are held at once than fit."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from sightline.attribution.explainer import Explainer
from sightline.attribution.targets import Label, LogOdds, Selection, Target
from sightline.errors import SettingsError, ShapeError
from sightline.types import Explanation

_MIB = 2**20


@dataclass(frozen=True, eq=False)
class Part:
    """Maps of some images, and of some classes of these.

    Attributes:
        explanation: of them.
        rows: which images, counted through all batches.
        classes: which classes, on the second axis of the maps; None where an image has one map.
    """

    explanation: Explanation
    rows: slice
    classes: slice | None


def explain_in_parts(
    explainer: Explainer,
    model: nn.Module,
    images: Tensor | Iterable[Tensor],
    target: Target,
    *,
    memory_mib: float = 256.0,
    batch_size: int = 32,
) -> Iterator[Part]:
    """Explain without gradients, and hand out each part before the next one is drawn.

    The first part is one map, whose size says how many fit. What is held on the way to the maps is not counted: what
    the model computes, which grows with `batch_size`, and the maps once more while they are stacked. Every part costs a
    forward pass of its own.

    Args:
        explainer: any whose options hold nothing that belongs to one image of the batch, as a baseline for each does.
        model: any module from images to logits; comes back as it was. The maps are those of all images at once if
            it is in evaluation mode; in training mode the batch takes part in them.
        images: `(N, C, *S)`, or batches of such, which are drawn one after the other.
        target: what to explain. Labels are those of all images, `(N,)`. With `EveryClass` all classes of several
            images are a part if they fit, and else some classes of one image.
        memory_mib: most that the maps of a part take, with relevance inside of the model that comes with them, in MiB.
        batch_size: most images in a part.

    Yields:
        Parts: image by image, and of an image class by class.

    Raises:
        SettingsError: `batch_size` is below 1, or `memory_mib` less than one map takes.
        ShapeError: labels are not one for each image.
        SightlineError: as in `Explainer`.
    """
    if batch_size < 1:
        raise SettingsError(f"batch_size must be at least 1, got {batch_size}")
    if isinstance(images, Tensor):
        _check_labels(target, len(images))
    at_once: int | None = None  # not known before there is a map
    count, done = 1, 0
    for batch in (images,) if isinstance(images, Tensor) else images:
        begun = 0
        if at_once is None and len(batch):
            first = _draw(explainer, model, batch, target, done, slice(0, 1), slice(0, 1))
            at_once = _fitting(first.explanation, memory_mib)
            every = first.classes is not None
            yield first
            count, begun = first.explanation.logits.shape[1] if every else 1, 1
            for classes in _chunks(1, count, at_once):
                yield _draw(explainer, model, batch, target, done, slice(0, 1), classes)
        for rows, classes in parts(len(batch) - begun, count, at_once or 1, most=batch_size):
            moved = slice(rows.start + begun, rows.stop + begun)
            yield _draw(explainer, model, batch, target, done, moved, classes)
        done += len(batch)
    _check_labels(target, done)


def parts(images: int, maps: int, at_once: int, *, most: int | None = None) -> Iterator[tuple[slice, slice]]:
    """Divide images with several maps each into parts.

    Args:
        images: how many.
        maps: of each image.
        at_once: most maps in a part.
        most: most images in a part; None for no limit.

    Yields:
        Images, and which of their maps: all of them of several images where they fit, else some of one image.
    """
    together = images_together(maps, at_once)
    for rows in _chunks(0, images, together if most is None else min(together, most)):
        for some in _chunks(0, maps, max(1, at_once)):
            yield rows, some


def images_together(maps: int, at_once: int) -> int:
    """Return how many images with so many maps each may be explained together, at least 1."""
    return max(1, at_once // maps)


def part_of(target: Target, rows: slice, classes: slice) -> Target:
    """Return what a target explains in some of the images, and of a target that explains every class some of these."""
    return _Some(_of_rows(target, rows), classes)


@dataclass(frozen=True)
class _Some(Target):
    """Of a target that explains every class, some classes."""

    of: Target
    classes: slice

    def select(self, logits: Tensor) -> Selection:
        selection = self.of.select(logits)
        again = selection.again
        if not selection.every:
            return selection
        return replace(
            selection,
            scores=selection.scores[self.classes],
            again=None if again is None else lambda logits, rows: again(logits, rows)[self.classes],
        )


def _of_rows(target: Target, rows: slice) -> Target:
    if isinstance(target, Label):
        return Label(target.labels[rows])
    return replace(target, of=_of_rows(target.of, rows)) if isinstance(target, LogOdds) else target


def _check_labels(target: Target, count: int) -> None:
    inner = target.of if isinstance(target, LogOdds) else target
    if isinstance(inner, Label) and len(inner.labels) != count:
        raise ShapeError(f"labels must be ({count},), one for each image of all batches, got {len(inner.labels)}")


def _draw(
    explainer: Explainer, model: nn.Module, batch: Tensor, target: Target, done: int, rows: slice, classes: slice
) -> Part:
    of_all = slice(done + rows.start, done + rows.stop)
    with torch.no_grad():
        explanation = explainer(model, batch[rows], part_of(target, of_all, classes))
    every = explanation.attribution.ndim > batch.ndim
    return Part(explanation, of_all, classes if every else None)


def _fitting(explanation: Explanation, memory_mib: float) -> int:
    """How many maps fit, of which one is given."""
    held = (explanation.attribution, *explanation.hidden, *explanation.layers.values())
    size = sum(tensor.numel() * tensor.element_size() for tensor in held)
    if not memory_mib * _MIB >= size:
        raise SettingsError(f"memory_mib must be at least {size / _MIB:.3g}, what one map takes, got {memory_mib:g}")
    return int(memory_mib * _MIB // size) if size else 1


def _chunks(start: int, stop: int, size: int) -> Iterator[slice]:
    for first in range(start, stop, size):
        yield slice(first, min(first + size, stop))
