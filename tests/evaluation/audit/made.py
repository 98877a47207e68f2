"""Tiny cohorts and models whose behaviour is known because it was written down."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sightline.data.cohort import Case, Cohort, Task
from sightline.evaluation.audit import Material, Subject
from sightline.metrics import Resampling
from sightline.types import Batch

SIDE = 32
CLASSES = ("none", "left", "right")
CENTRE, CORNER = slice(10, 22), slice(0, 4)


class Reads(nn.Module):
    """Answers with the brightness of squares that lie in the region or in the corner.

    The square of class k stands at rows 12 to 15 and columns 10 + 4 k onwards inside, or in the corner at columns 4 k
    onwards of the first rows outside.
    """

    def __init__(self, where: str, *, classes: int = 3, gain: float = 20.0) -> None:
        super().__init__()
        self.where, self.classes, self.gain = where, classes, gain
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        parts = [images[square(self.where, k, images.ndim - 2)] for k in range(self.classes)]
        logits = [self.gain * part.flatten(1).mean(1) for part in parts]
        return self.scale * torch.stack(logits, 1)


def square(where: str, k: int, axes: int = 2) -> tuple[Any, ...]:
    """Where class k is told, as an index into images."""
    column, row = (10 + 4 * k, slice(14, 18)) if where == "region" else (4 * k, slice(0, 3))
    depth = () if axes == 2 else (slice(None),)
    return (slice(None), slice(None), *depth, row, slice(column, column + (4 if where == "region" else 3)))


def pictures(
    labels: Sequence[Any], *, region: bool, corner: bool, seed: int = 0, shape: tuple[int, ...] = (SIDE, SIDE)
) -> Tensor:
    """Grey images with little noise, on which the labels are told in the region, in the corner, in both or nowhere."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.3 + 0.02 * torch.rand((len(labels), 1, *shape), generator=generator)
    for index, label in enumerate(labels):
        present = [label] if isinstance(label, int) else [k for k, value in enumerate(label) if value == 1]
        for where, told in (("region", region), ("corner", corner)):
            for k in present if told else ():
                images[index : index + 1][square(where, k, len(shape))] = 0.9
    return images


def cohort_of(
    labels: Sequence[Any], *, task: Task = "multiclass", classes: Sequence[str] = CLASSES, **about: Any
) -> Cohort:
    """Two images a patient where `pairs`, else one; sources in turn."""
    sources = about.pop("sources", ("east", "west"))
    mask = about.pop("mask", Path("mask.png"))
    pairs = about.pop("pairs", False)
    rows = {name: list(values) for name, values in about.items()}
    cases = tuple(
        Case(
            f"case-{index:03d}",
            Path(f"{index}.png"),
            label,
            f"patient-{index // 2 if pairs else index}",
            source=sources[(index // len(classes)) % len(sources)] if sources else "",
            mask=mask,
            about={name: str(values[index]) for name, values in rows.items()},
        )
        for index, label in enumerate(labels)
    )
    return Cohort(Path(), task, tuple(classes), cases)


def middle(images: Tensor) -> Tensor:
    """The region: the middle of each image, `(N, 1, *S)`."""
    regions = torch.zeros(len(images), 1, *images.shape[2:])
    regions[..., 8:24, 8:24] = 1.0
    return regions


def material_of(
    cohort: Cohort,
    images: Tensor,
    *,
    regions: Tensor | None = None,
    resamples: int = 200,
    biased: Mapping[str, Tensor] | None = None,
    loaded: list[tuple[str, ...]] | None = None,
) -> Material:
    """Hand out tensors as the images of a cohort, four at a time."""
    place = {case.id: index for index, case in enumerate(cohort.cases)}
    allowed = middle(images) if regions is None else regions

    def batches_of(pixels: Tensor) -> Callable[[Cohort], Iterable[Batch]]:
        def batches(some: Cohort) -> Iterable[Batch]:
            for start in range(0, len(some.cases), 4):
                cases = some.cases[start : start + 4]
                rows = [place[case.id] for case in cases]
                names = tuple(case.id for case in cases)
                if loaded is not None:
                    loaded.append(names)
                yield Batch(pixels[rows], torch.tensor([case.label for case in cases]), allowed[rows], names)

        return batches

    others = {name: batches_of(pixels) for name, pixels in (biased or {}).items()}
    return Material(cohort, batches_of(images), resampling=Resampling(resamples), biased=others)


def subject_of(model: nn.Module, cohort: Cohort, *, outputs: int | None = None, black_box: bool = False) -> Subject:
    """A subject on the CPU."""
    return Subject(
        "tiny",
        cohort.task,
        cohort.classes,
        model,
        None if black_box else model,
        "00ff",
        outputs or cohort.num_classes,
        torch.device("cpu"),
    )


def labels_of(count: int, classes: int = 3) -> list[int]:
    return [index % classes for index in range(count)]


def without(cohort: Cohort, **fields: Any) -> Cohort:
    """The same cohort with fields of all its cases replaced."""
    return replace(cohort, cases=tuple(replace(case, **fields) for case in cohort.cases))


def multilabels(count: int, *, unknown: bool = True, seed: int = 0) -> list[tuple[float, ...]]:
    """Labels of three findings, some unknown."""
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 2, (count, 3)).astype(float)
    if unknown:
        table[rng.random((count, 3)) < 0.15] = np.nan
    return [tuple(map(float, row)) for row in table]
