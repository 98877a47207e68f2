"""A user's own table of images."""

import math
import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.labels import Reading, check_classes, label_of
from sightline.data.adapters.layout import find, keep_present, read_rows, user_file
from sightline.data.adapters.people import age_of, age_text, filled, sex_of
from sightline.data.adapters.selection import LeftOut, Selection
from sightline.data.cohort import Case, Cohort, did_you_mean
from sightline.errors import DataError, SettingsError

_CONDITION = re.compile(r"\s*(?P<column>.+?)\s*(?P<sign>>=|<=|!=|=|>|<)\s*(?P<value>.*?)\s*")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_ABOUT = ("age", "sex", "view", "study")
Row = Mapping[str, str]


@dataclass(frozen=True)
class CsvTable(Adapter):
    """A table of comma-, semicolon- or tab-separated values with a row an image, its columns named by you.

    Args:
        table: the table in the folder, where there are several; files named in it are relative to its folder or
            absolute.
        image: column of the file.
        prefix: folder before each relative file, such as `images`.
        label: column of the one class of an image, for a multi-class cohort; not with `labels`.
        labels: columns of several classes, 1, 0, -1 for uncertain or empty, for a multi-label cohort.
        classes: the classes of `label` to keep, in this order; by default all, in alphabetical order.
        uncertain: what -1 is taken for.
        blank: what an empty label of several is taken for.
        patient: column of who is on it; without it every image is a person of its own.
        source: column of where it comes from.
        split: column of train, val, test or another name.
        mask: column of the file of the region.
        mask_prefix: folder before each relative mask.
        report: column of the file of what was written.
        age: column, years or as in 045Y.
        sex: column, F, M or words like female.
        view: column, such as AP.
        study: column of the study.
        keep: columns to keep besides.
        where: conditions that must all hold, such as `view=AP,PA` (one of these), `quality!=poor` or `age>=18`, on
            columns of the table, or on what an option names, such as `patient`; a cell that is no number fulfils no
            comparison.
    """

    name: ClassVar[str] = "csv_table"
    title: ClassVar[str] = "table"
    home: ClassVar[str] = "your own"
    layout: ClassVar[str] = "one table *.csv or *.tsv with a row an image\nthe images, anywhere"

    table: Path | None = None
    image: str = "image"
    prefix: str = ""
    label: str = "label"
    labels: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    uncertain: Reading = "unknown"
    blank: Reading = "unknown"
    patient: str = ""
    source: str = ""
    split: str = ""
    mask: str = ""
    mask_prefix: str = ""
    report: str = ""
    age: str = ""
    sex: str = ""
    view: str = ""
    study: str = ""
    keep: tuple[str, ...] = ()
    where: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for condition in self.where:
            found = _CONDITION.fullmatch(condition)
            if found is None:
                raise SettingsError(
                    f"where must be conditions such as view=AP,PA or age>=18, got {condition!r}; put one with a comma "
                    "in quotes"
                )
            if found["sign"] in _COMPARE and math.isnan(_number(found["value"])):
                raise SettingsError(f"where: {condition!r} must compare with a number")
        if self.labels and self.classes:
            raise SettingsError("classes are those of label; of several labels the columns are the classes")

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        table = self._table(root)
        named = [column for column in (self.image, *self._columns().values()) if column]
        labels = self.labels or (self.label,)
        columns = tuple(dict.fromkeys((*named, *labels, *self.keep)))
        rows = list(read_rows(table, columns, title=self.title, delimiter=""))
        bare = [] if self.labels else [LeftOut(row[self.image], "has a label") for row in rows if not row[self.label]]
        rows = [row for row in rows if self.labels or row[self.label]]
        if not rows:
            raise DataError(f"{self.title}: {table.name} has no rows with a label")
        classes = self.labels or tuple(sorted({row[self.label] for row in rows}))
        cases = [self._case(row, table.parent, classes) for row in progress(rows)]
        twice = [name for name, count in Counter(case.id for case in cases).items() if count > 1]
        if twice:
            raise DataError(f"{self.title}: {table.name}: image {twice[0]} is there twice, of {len(twice):,} such")
        chosen = Selection(cases, classes, f"rows of {table.name} with a label")
        by_id = {case.id: row for case, row in zip(cases, rows, strict=True)}
        for condition in self.where:
            holds = self._condition(condition, rows[0])
            stay = {name for name, row in by_id.items() if holds(row)}
            chosen.keep(condition, partial(_is_in, stay))
        if self.classes:
            check_classes(self.classes, classes, title=f"{self.title}: column {self.label!r}")
            stay = {name for name, row in by_id.items() if row[self.label] in self.classes}
            chosen.keep(f"{self.label} is {', '.join(self.classes)}", partial(_is_in, stay))
        keep_present(chosen, table.parent, title=self.title, partial=self.partial)
        return Adapted(self._cohort(chosen, classes, out), chosen.census, (*bare, *chosen.left_out))

    def _cohort(self, chosen: Selection, found: Sequence[str], out: Path) -> Cohort:
        """Return the cohort; of a single label its classes are those asked for, else those that images are left of."""
        if self.labels:
            return Cohort(out.absolute(), "multilabel", self.labels, chosen.cases)
        names = [found[case.label] for case in chosen.cases if isinstance(case.label, int)]
        classes = self.classes or tuple(sorted(set(names)))
        cases = (replace(case, label=classes.index(name)) for case, name in zip(chosen.cases, names, strict=True))
        return Cohort(out.absolute(), "multiclass", classes, tuple(cases))

    def _table(self, root: Path) -> Path:
        if root.is_file():
            return root
        if self.table is not None:
            return user_file(root, self.table, title=self.title)
        found = sorted(path for suffix in ("csv", "tsv") for path in root.glob(f"*.{suffix}"))
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise SettingsError(f"{self.title}: which of {names}? Say table=NAME")
        return found[0] if found else find(root, "*.csv", title=self.title)

    def _columns(self) -> dict[str, str]:
        """Return the columns of the table by what they are for us."""
        ours = ("patient", "source", "split", "mask", "report", *_ABOUT)
        return {name: getattr(self, name) for name in ours if getattr(self, name)}

    def _case(self, row: Row, base: Path, classes: Sequence[str]) -> Case:
        known = {name: row[column] for name, column in self._columns().items()}
        name = row[self.image]
        if not name:
            raise DataError(f"{self.title}: a row without image in the column {self.image!r}")
        about = {
            "age": age_text(age_of(known.get("age", ""), self.age, title=self.title)),
            "sex": sex_of(known.get("sex", "")),
            "view": known.get("view", ""),
            "study": known.get("study", ""),
            **{column: row[column] for column in self.keep},
        }
        return Case(
            id=name,
            image=base / self.prefix / name,
            label=self._label(row, classes),
            patient=known.get("patient") or name,
            source=known.get("source", ""),
            split=known.get("split", ""),
            mask=base / self.mask_prefix / known["mask"] if known.get("mask") else None,
            report=base / known["report"] if known.get("report") else None,
            about=filled(**about),
        )

    def _label(self, row: Row, classes: Sequence[str]) -> int | tuple[float, ...]:
        if self.labels:
            cells = ((row[column], column) for column in self.labels)
            return tuple(
                label_of(*cell, uncertain=self.uncertain, blank=self.blank, title=self.title) for cell in cells
            )
        return classes.index(row[self.label])

    def _condition(self, text: str, header: Row) -> Callable[[Row], bool]:
        found = _CONDITION.fullmatch(text)
        name, sign, value = found.group("column", "sign", "value") if found else ("", "", "")
        column = name if name in header else self._columns().get(name, name)
        if column not in header:
            raise SettingsError(
                f"where: {text!r}: no column {name!r}{did_you_mean(name, header)}; there are {', '.join(header)}"
            )
        if sign in _COMPARE:
            bound, compare = _number(value), _COMPARE[sign]
            read = partial(age_of, column=column, title=self.title) if column == self.age else _number
            return lambda row: compare(read(row[column]), bound)
        words = {word.strip() for word in value.split(",")}
        return lambda row: (row[column] in words) == (sign == "=")


def _is_in(names: set[str], case: Case) -> bool:
    return case.id in names


def _number(text: str) -> float:
    """Read a number; what is none is NaN, which fulfils no comparison."""
    try:
        return float(text)
    except ValueError:
        return math.nan
