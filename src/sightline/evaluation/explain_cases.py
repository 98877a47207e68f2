"""Maps of many cases by many methods, a few at a time: what is drawn can be written and forgotten."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass, Explainer, Label, Predicted, Target, upsample_to
from sightline.attribution.explainer import classify
from sightline.attribution.streaming import images_together, part_of, parts
from sightline.data.cohort import Task
from sightline.errors import DataError, SettingsError, ShapeError, SightlineError
from sightline.evaluation.given_images import spatial_axes
from sightline.evaluation.predictions import probabilities_of
from sightline.metrics.localisation import relevance_share_inside
from sightline.types import Batch, Explanation

Aim = Literal["predicted", "label", "every"] | int
"""What to explain: the likeliest class, the true one, all of them one by one, or the class of an index."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Maps of one case by one method. Those of all classes may come in several pieces, one right after the other.

    Attributes:
        case: its name.
        method: its name.
        image: the model's input in [0, 1], `(1, *S)` if all its channels are equal, else `(C, *S)`.
        logits: of all K' outputs of the model, `(K',)`; one output is that of the second of two classes.
        probabilities: of all classes, `(K,)`.
        classes: classes explained, `(M,)`.
        total: number of maps of this case by this method in all pieces.
        maps: signed, channels summed, at the size of the image, `(M, *S)`.
        regions: where a model may look for each of the classes, NaN where unknown, `(M, *S)`.
        drawn_at: spatial size at which the method drew.
        relevance_inside: share of the absolute relevance inside the region, NaN where unknown, `(M,)`.
        gap: what the sum of each map lacks, see `Explanation`, `(M,)`; None where the method promises no sum.
    """

    case: str
    method: str
    image: NDArray[np.float32]
    logits: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    classes: NDArray[np.int64]
    total: int
    maps: NDArray[np.float32]
    regions: NDArray[np.float32]
    drawn_at: tuple[int, ...]
    relevance_inside: NDArray[np.float64]
    gap: NDArray[np.float64] | None


def images_at_once(maps_at_once: int, aim: Aim, num_classes: int) -> int:
    """How many images a batch may have so that their maps are at most `maps_at_once`, or else one."""
    return images_together(num_classes if aim == "every" else 1, maps_at_once)


def explain_cases(
    model: nn.Module,
    batches: Iterable[Batch],
    methods: Mapping[str, Explainer],
    *,
    aim: Aim,
    task: Task,
    num_classes: int,
    maps_at_once: int,
    wanted: Callable[[str, str], bool] = lambda case, method: True,
    unfit: Callable[[str, SightlineError], None] | None = None,
) -> Iterator[Piece]:
    """Explain every image by every method, without gradients.

    Args:
        model: on the device that it is to run on, in the mode it is to be explained in.
        batches: of images, on any device; see `images_at_once`.
        methods: explainers by name.
        aim: what to explain.
        task: of the model.
        num_classes: K.
        maps_at_once: most maps that are held at a time; more are drawn in parts.
        wanted: whether a case, by its name, is to be explained by a method. Its batch is explained as a whole all the
            same, since the last digits of a map depend on the others beside it: so what is drawn later is the same.
        unfit: told of a method that cannot explain this model, which is left out from there on; None raises its error.

    Yields:
        Pieces: of a batch, method by method; of a method, case by case.

    Raises:
        ShapeError: the images have another number of axes than the model takes, or the model answers otherwise.
        SettingsError: there is no such class, or no label to explain.
        DataError: a map is not finite.
        SightlineError: a method cannot explain this model, or memory does not suffice.
    """
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    left = dict(methods)
    for batch in batches:
        images, labels, regions = (part.to(device) for part in (batch.images, batch.labels, batch.regions))
        here = Batch(images, labels, regions, batch.cases)
        offset = _offset(model, images, task, num_classes)
        for name, explainer in list(left.items()):
            wished = {case for case in batch.cases if wanted(case, name)}
            if not wished:
                continue
            target = _target(aim, here, num_classes, offset)
            count = num_classes - offset if aim == "every" else 1
            for some, classes in parts(len(images), count, maps_at_once):
                part = Batch(images[some], labels[some], regions[some], here.cases[some])
                if not wished.intersection(part.cases):
                    continue
                try:
                    explanation = _explain(explainer, model, part.images, part_of(target, some, classes))
                except SightlineError as error:
                    if unfit is None:
                        raise
                    unfit(name, error)
                    del left[name]
                    break
                pieces = _pieces(name, explanation, classes if aim == "every" else None, part, task, num_classes)
                yield from (piece for piece in pieces if piece.case in wished)


def _offset(model: nn.Module, images: Tensor, task: Task, num_classes: int) -> int:
    """Class of the model's first output: 1 where the only output is that of the second of two classes."""
    given, axes = images.ndim - 2, spatial_axes(model)
    try:
        with torch.no_grad():
            logits = classify(model, images[:1].clone())
        probabilities_of(logits, task, num_classes)  # which refuses another number
    except (RuntimeError, ValueError) as error:
        if axes in (None, given):
            raise
        raise ShapeError(f"the model takes images of {axes} axes, but those prepared for it have {given}") from error
    return num_classes - int(logits.shape[1])


def _target(aim: Aim, batch: Batch, num_classes: int, offset: int) -> Target:
    if aim == "predicted":
        return Predicted()
    if aim == "every":
        return EveryClass()
    if aim == "label":
        if batch.labels.ndim > 1 or offset or bool((batch.labels < 0).any()):
            raise SettingsError("the label can be explained where each image has one, and each class an output")
        return Label(batch.labels)
    if not offset <= aim < num_classes:
        raise SettingsError(f"class must lie in {offset} to {num_classes - 1}, got {aim}")
    return Class(aim - offset)


def _explain(explainer: Explainer, model: nn.Module, images: Tensor, target: Target) -> Explanation:
    try:
        with torch.no_grad():
            return explainer(model, images, target)
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):  # the CPU's words
            raise
        raise SightlineError("memory does not suffice; hold fewer maps at once with a smaller batch size") from error


def _pieces(
    method: str, explanation: Explanation, some: slice | None, batch: Batch, task: Task, num_classes: int
) -> Iterator[Piece]:
    logits, count, size = explanation.logits, len(batch.images), tuple(batch.images.shape[2:])
    offset = num_classes - logits.shape[1]
    maps = explanation.attribution
    if some is not None:
        classes = torch.arange(some.start, some.stop).expand(count, -1) + offset  # (N, M)
    elif explanation.target is None or maps.ndim != batch.images.ndim:
        raise ShapeError(f"{method} must draw one map an image, (N, C, *S), got {tuple(maps.shape)}")
    else:
        classes, maps = explanation.target.cpu()[:, None] + offset, maps[:, None]
    drawn_at, maps = tuple(maps.shape[3:]), maps.flatten(0, 1)  # (N * M, C, *s)
    maps = maps if drawn_at == size else upsample_to(maps, size)
    finite = maps.flatten(1).isfinite().all(1).view(count, -1).all(1).tolist()
    if not all(finite):
        raise DataError(f"the map by {method} of case {batch.cases[finite.index(False)]} is not finite; is its image?")
    regions = _regions(batch.regions.to(maps), classes)
    if regions.shape[2:] != size:  # of a volume, they may lie on a coarser grid
        regions = F.interpolate(regions, size=size, mode="nearest")
    shape = (*classes.shape, *size)
    gap = None if explanation.gap is None else explanation.gap.view(classes.shape)
    columns = (
        maps.sum(1).view(shape),
        regions.view(shape),
        relevance_share_inside(maps, regions).view(classes.shape),
    )
    summed, allowed, inside = (part.detach().cpu().numpy() for part in columns)
    answers = probabilities_of(logits, task, num_classes)
    for row, case in enumerate(batch.cases):
        yield Piece(
            case,
            method,
            _image(batch.images[row]),
            logits[row].cpu().double().numpy(),
            answers[row],
            classes[row].numpy().astype(np.int64),
            1 if some is None else logits.shape[1],
            summed[row].astype(np.float32),
            allowed[row].astype(np.float32),
            drawn_at,
            inside[row].astype(np.float64),
            None if gap is None else gap[row].cpu().double().numpy(),
        )


def _regions(regions: Tensor, classes: Tensor) -> Tensor:
    """Pick the region of each class explained, `(N * M, 1, *S)`."""
    rows = torch.arange(len(regions))[:, None].expand_as(classes)
    which = classes if regions.shape[1] > 1 else torch.zeros_like(classes)
    return regions[rows.flatten(), which.flatten()][:, None]


def _image(image: Tensor) -> NDArray[np.float32]:
    image = image.detach().float()
    grey = image[:1] if bool((image == image[:1]).all()) else image
    return grey.cpu().numpy().copy()
