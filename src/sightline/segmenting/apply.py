"""Masks for a cohort by a trained segmenter, with a table of what to look at."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sightline.data import Case, Cohort, write_cohort
from sightline.errors import DataError
from sightline.metrics.mask_overlap import Array, overlap
from sightline.runs import atomic_path, write_text
from sightline.segmenting.choosing import summary
from sightline.segmenting.review import MaskShape, ReviewLimits, measure_mask, suspicious
from sightline.segmenting.segmenter import Segmenter, true_mask
from sightline.segmenting.stored import as_stored

MASKS_TABLE = "masks.csv"
_LONGEST = 100  # of a file's name, characters


@dataclass(frozen=True)
class MadeMask:
    """A mask that was made for an image.

    Attributes:
        case: of the image, as it was.
        file: of the mask.
        shape: what it looks like.
        review: what is suspicious about it; empty where nothing is.
        iou: overlap with the mask that the image had already; None without one.
        dice: the same as Dice's coefficient.
    """

    case: Case
    file: Path
    shape: MaskShape
    review: tuple[str, ...]
    iou: float | None = None
    dice: float | None = None


def make_masks(
    segmenter: Segmenter,
    cohort: Cohort,
    folder: Path,
    *,
    limits: ReviewLimits | None = None,
    advance: Callable[[int, int], None] | None = None,
) -> list[MadeMask]:
    """Write a mask for every image of a cohort, and the cohort with them.

    `masks/` has a PNG an image, on the pixels that its file stores, 255 in the mask and 0 outside; `masks.csv` what
    each looks like and what is suspicious about it. In `cohort.csv` an image that has a mask keeps it; the others take
    the new one, unless it is empty, which stays unknown. Its columns `mask_source` (`given`, or the name of the
    segmenter) and `mask_review` tell them apart. Every write is atomic; the table of the cohort is the last.

    Args:
        segmenter: makes them.
        cohort: the images.
        folder: where to; masks of the same names are replaced.
        limits: beyond which a mask is suspicious; those for lungs by default.
        advance: told after each image how many are done and how many there are.

    Returns:
        What was made, in the order of the cohort.

    Raises:
        DataNotFoundError, DataError: an image, or a mask there is, cannot be used, or the cohort is empty.
    """
    if not cohort.cases:
        raise DataError("no images: the cohort is empty")
    made = []
    files = file_names([case.id for case in cohort.cases])
    for case, probabilities in segmenter.probabilities(cohort):
        mask = probabilities >= np.float32(segmenter.threshold)
        file = folder / "masks" / files[case.id]
        with atomic_path(file) as temporary:
            Image.fromarray(as_stored(mask, case.image).astype(np.uint8) * 255).save(temporary, format="PNG")
        shape = measure_mask(probabilities, mask)
        review = suspicious(shape, limits or ReviewLimits())
        made.append(_compared(MadeMask(case, file, shape, review), mask, cohort))
        if advance is not None:
            advance(len(made), len(cohort.cases))
    _write_table(folder / MASKS_TABLE, made, folder)
    write_cohort(replace(cohort, cases=tuple(_with_mask(each, segmenter.name) for each in made)), folder)
    return made


def compare_masks(made: Sequence[MadeMask]) -> dict[str, Any] | None:
    """Return number, means and quantiles of `iou` and `dice` over the images that had a mask; None where none had."""
    iou = [each.iou for each in made if each.iou is not None]
    dice = [each.dice for each in made if each.dice is not None]
    return summary(np.array(iou), np.array(dice)) if iou else None


def file_names(ids: Sequence[str]) -> dict[str, str]:
    """Name a PNG for each id, of letters that any file system takes; ids that would share one get a checksum."""
    plain = {name: "".join(c if c.isalnum() or c in "._-" else "_" for c in name).strip(".") for name in ids}
    counts = Counter(name.casefold() for name in plain.values())
    return {
        name: f"{short}.png"
        if 0 < len(short) <= _LONGEST and counts[short.casefold()] == 1
        else f"{short[:_LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.png"
        for name, short in plain.items()
    }


def worth_seeing(made: Sequence[MadeMask], most: int) -> Iterator[MadeMask]:
    """Choose at most `most` masks for a contact sheet: at most half of them suspicious, least confident first.

    The rest is taken at even distances from all that are not, so that it shows the cohort as it is.
    """
    flagged = sorted((each for each in made if each.review), key=lambda each: each.shape.confidence)
    others = [each for each in made if not each.review]
    room = max(most // 2, most - len(others))
    yield from flagged[:room]
    left = min(most - min(len(flagged), room), len(others))
    yield from (others[index * len(others) // left] for index in range(left))


def _compared(made: MadeMask, mask: Array, cohort: Cohort) -> MadeMask:
    if made.case.mask is None:
        return made
    counted = overlap(mask.astype(np.float32), true_mask(cohort, made.case, mask.shape), [0.5])
    return replace(made, iou=float(counted.iou[0]), dice=float(counted.dice[0]))


def _with_mask(made: MadeMask, name: str) -> Case:
    case = made.case
    if case.mask is not None:
        return replace(case, about={**case.about, "mask_source": "given"})
    if made.shape.area == 0:
        return replace(case, about={**case.about, "mask_review": "; ".join(made.review)})
    about = {**case.about, "mask_source": name, "mask_review": "; ".join(made.review)}
    return replace(case, mask=made.file, about=about)


def _write_table(path: Path, made: Sequence[MadeMask], folder: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    shares = ("area", "border", "mirror", "confidence")
    writer.writerow(["case", "mask", "parts", *shares, "iou", "dice", "review"])
    for each in made:
        shape = asdict(each.shape)
        numbers = [f"{shape[name]:.4f}" for name in shares]
        scores = ["" if score is None else f"{score:.4f}" for score in (each.iou, each.dice)]
        file = each.file.relative_to(folder).as_posix()
        writer.writerow([each.case.id, file, each.shape.parts, *numbers, *scores, "; ".join(each.review)])
    write_text(path, text.getvalue())
