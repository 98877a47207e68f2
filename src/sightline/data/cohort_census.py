"""How many images and patients a cohort has, beside how many its paper counted."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

from sightline.data.cohort import Case, Cohort


@dataclass(frozen=True)
class Expected:
    """A count of the paper.

    Attributes:
        images: how many; None if the paper does not say.
        patients: how many people are on them; None if the paper does not say.
        source: of this source only; empty for all.
        split: in this split only; empty for all.
        of: of this class only; empty for all.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    images: int | None = None
    patients: int | None = None
    source: str = ""
    split: str = ""
    of: str = ""


@dataclass(frozen=True)
class Line:
    """A count of a cohort that was made, beside that of the paper.

    Attributes:
        source, split, of: what is counted, as of `Expected`.
        unit: `images` or `patients`.
        found: how many there are.
        paper: how many the paper has; None where it does not say.
    """

    source: str
    split: str
    of: str
    unit: Literal["images", "patients"]
    found: int
    paper: int | None = None

    @property
    def difference(self) -> int | None:
        """How many more there are than in the paper."""
        return None if self.paper is None else self.found - self.paper

    def __str__(self) -> str:
        """What is counted, how many there are, and how many the paper has."""
        what = ", ".join(part for part in (self.source, self.split, self.of) if part) or "all"
        beside = "" if self.paper is None else f" (paper {self.paper:,}, {self.difference:+,})"
        return f"{what}: {self.found:,} {self.unit}{beside}"


def take_census(parts: Mapping[str, Cohort], expected: Sequence[Expected]) -> tuple[Line, ...]:
    """Count the images of a cohort.

    Args:
        parts: the images of each source, all with the same classes.
        expected: what the paper counted.

    Returns:
        Each count of the paper with what was found instead, then the images of each source, split and class that has
        any.
    """
    lines = []
    for each in expected:
        place = (each.source, each.split, each.of)
        images, patients = _count(parts, *place)
        lines += [Line(*place, "images", images, each.images)] * (each.images is not None)
        lines += [Line(*place, "patients", patients, each.patients)] * (each.patients is not None)
    for source, part in parts.items():
        for split in part.splits or ("",):
            counted = ((name, _count({source: part}, source, split, name)[0]) for name in part.classes)
            lines += [Line(source, split, name, "images", images) for name, images in counted if images]
    return tuple(lines)


def census_table(census: Iterable[Line]) -> str:
    """Write counts as a table of comma-separated values."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("source", "split", "class", "unit", "found", "paper", "difference"))
    for line in census:
        paper = ("", "") if line.paper is None else (line.paper, line.difference)
        writer.writerow((line.source, line.split, line.of, line.unit, line.found, *paper))
    return text.getvalue()


def _count(parts: Mapping[str, Cohort], source: str, split: str, of: str) -> tuple[int, int]:
    """Return how many images and patients there are; empty words stand for all."""
    cases = [
        case
        for key, part in parts.items()
        for case in part.cases
        if source in ("", key) and split in ("", case.split) and (not of or _has(case, part.classes.index(of)))
    ]
    return len(cases), len({(case.source, case.patient) for case in cases})


def _has(case: Case, index: int) -> bool:
    return case.label == index if isinstance(case.label, int) else case.label[index] > 0.5  # not NaN
