"""A cohort: images, what is known about each, and the split it belongs to."""

import difflib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sightline.data.case import Case as Case
from sightline.data.case_table import distinct, where
from sightline.errors import DataError
from sightline.stores import store_url

Task = Literal["multiclass", "binary", "multilabel"]
_LONGEST = 200  # letters of a word that was mistyped; comparing takes their square


@dataclass(frozen=True)
class Cohort:
    """Images with labels, regions and splits.

    Attributes:
        root: folder that file names in messages and tables are relative to.
        task: `multiclass` and `binary` have one label an image, `multilabel` has any number.
        classes: names of the classes, in the order of their indices.
        cases: the images; those of a table are kept in columns and built when they are asked for, see `CaseTable`.
        value_range: pixel values that stand for black and white; None for the full range of the file's type.
        units: what a pixel value measures, such as `HU`; empty if nothing.
    """

    root: Path
    task: Task
    classes: tuple[str, ...]
    cases: Sequence[Case]
    value_range: tuple[float, float] | None = None
    units: str = ""

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in the order they appear in."""
        return tuple(name for name in distinct(self.cases, "split") if name)

    def split(self, name: str) -> "Cohort":
        """Return the cohort of the images in one split.

        Raises:
            DataError: there is no such split.
        """
        cases = where(self.cases, "split", name)
        if not cases or not name:
            unsplit = "the cohort is not split yet: see 'sightline prepare split'"
            there = f"there are {', '.join(self.splits)}" if self.splits else unsplit
            raise DataError(f"no split {name!r} in the cohort{did_you_mean(name, self.splits)}; {there}")
        return replace(self, cases=cases)

    def name(self, path: Path) -> str:
        """Return the name of a file for messages and tables: relative to `root`, with forward slashes."""
        url = None if path.is_relative_to(self.root) else store_url(path)
        return url or Path(os.path.relpath(path, self.root)).as_posix()


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return `; did you mean '...'?` with the nearest of `options`, or nothing if none is near."""
    if len(word) > _LONGEST:
        return ""
    by_folded = {option.casefold(): option for option in options if len(option) <= _LONGEST}
    near = difflib.get_close_matches(word.casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""
