"""A cohort as `cohort.csv` with `cohort.yaml` beside it.

`cohort.yaml` has the keys `task` (multiclass, binary or multilabel), `classes` (their names in order), `value_range`
(the two pixel values that stand for black and white) and `units`; all but `classes` of a multilabel cohort may be left
out.

`cohort.csv` has one row an image. File names are relative to its folder, or addresses in a store (`s3://bucket/film.png`).

| column | meaning | left out |
|---|---|---|
| `image` | file of the image | must be there |
| `label` | name of the class | a column per class instead: 1, 0, or empty if unknown (multilabel) |
| `id` | name of the image | as `image` |
| `patient` | who is on it | every image is a patient of its own |
| `source`, `split` | where it comes from; train, val, test or another name | empty |
| `mask`, `mask:<class>` | file of the region for all classes or for one | region unknown |
| `image:<variant>` | the same image as `off` (without its known bias) or `swapped` | no variant |
| `gaze`, `report` | file of where a reader looked, or of what was written | not known |
| `sha256` | checksum of the image file | not checked |

Other columns (`study`, `view`, `age`, ...) are kept as text in `about`, unless the name of one resembles a column that
is missing.
"""

import csv
import io
import math
import os
import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from sightline.data.cohort import Case, Cohort, Task, did_you_mean
from sightline.errors import DataError, DataNotFoundError
from sightline.runs import write_text
from sightline.stores import mirrored, store_url
from sightline.yaml12 import ShallowLoader

TABLE_NAME, SETTINGS_NAME = "cohort.csv", "cohort.yaml"
_KEYS = ("task", "classes", "value_range", "units")
_COLUMNS = ("id", "image", "label", "patient", "source", "split", "mask")
_LONGEST = 255  # bytes of a part of a file's name
_MORE = ("gaze", "report", "sha256")  # too like other words to be guessed at


def read_table(path: Path) -> Cohort:
    """Read a cohort from its table and the `cohort.yaml` beside it, if there is one.

    Args:
        path: the `.csv` file.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: a row, column or key cannot be used; all unusable rows are counted, the first is named.
    """
    if not path.is_file():
        raise DataNotFoundError(f"no table at {path}")
    root = path.parent.absolute()
    header, rows = _read_rows(path)
    head = _read_head(root / SETTINGS_NAME)
    if not head.classes and "label" in header:
        named = sorted({row["label"] for _, row in rows if row["label"]})
        head = _Head(head.task or "multiclass", tuple(named), head.value_range, head.units)
    task = head.task or ("multiclass" if "label" in header else "multilabel")
    if task == "binary" and len(head.classes) != 2:
        raise DataError(f"{path.name}: a binary task has two classes, got {', '.join(head.classes) or 'none'}")
    _check_header(header, task, head.classes, path.name)
    cases, problems = [], []
    for line, row in rows:
        try:
            cases.append(_case(row, root, task, head.classes))
        except DataError as error:
            problems.append(f"{path.name} line {line}: {error}")
    problems += [f"{path.name}: id {name!r} is there twice" for name in _twice([case.id for case in cases])]
    if problems:
        raise DataError(problems[0] + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""))
    return Cohort(root, task, head.classes, tuple(cases), head.value_range, head.units)


def write_cohort(cohort: Cohort, folder: Path) -> Path:
    """Write `cohort.yaml` and `cohort.csv` atomically, file names relative to `folder`; return its path."""
    head: dict[str, Any] = {"task": cohort.task, "classes": list(cohort.classes)}
    if cohort.value_range is not None:
        head["value_range"] = list(cohort.value_range)
    if cohort.units:
        head["units"] = cohort.units
    folder = Path(folder)
    rows = [_row(case, cohort, folder.absolute()) for case in cohort.cases]
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    required = {"image", *(cohort.classes if cohort.task == "multilabel" else ["label"])}
    columns = [name for name in names if name in required or any(row.get(name) for row in rows)]
    missing = [name for name in _COLUMNS if name not in columns]
    own = {name for case in cohort.cases for name in case.about}.intersection(columns)
    columns += [name for name in missing if any(_hint(column, [name]) for column in own)]  # else it would be refused
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / SETTINGS_NAME, yaml.safe_dump(head, sort_keys=False, allow_unicode=True))
    write_text(folder / TABLE_NAME, text.getvalue())
    return folder / TABLE_NAME


@dataclass(frozen=True)
class _Head:
    """What `cohort.yaml` says."""

    task: Task | None = None
    classes: tuple[str, ...] = ()
    value_range: tuple[float, float] | None = None
    units: str = ""


def _read_head(path: Path) -> _Head:
    if not path.is_file():
        return _Head()
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), ShallowLoader) or {}
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:  # the latter of a date that is none
        raise DataError(f"{path.name}: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise DataError(f"{path.name} must hold keys such as `task: multiclass`, got {type(value).__name__}")
    unknown = [f"unknown key {key!r}{did_you_mean(str(key), _KEYS)}" for key in value if key not in _KEYS]
    if unknown:
        raise DataError(f"{path.name}: {'; '.join(unknown)} (keys: {', '.join(_KEYS)})")
    task, classes, limits = value.get("task"), value.get("classes") or [], value.get("value_range")
    if task is not None and task not in get_args(Task):
        raise DataError(f"{path.name}: task must be one of {', '.join(get_args(Task))}, got {reprlib.repr(task)}")
    if not isinstance(classes, list) or not all(isinstance(name, str) and name for name in classes):
        got = reprlib.repr(classes)
        raise DataError(f"{path.name}: classes must be a list of names (in quotes if like `no` or `1`), got {got}")
    if len(set(classes)) < len(classes):
        raise DataError(f"{path.name}: class {_twice(classes)[0]!r} is there twice")
    if limits is not None and not _is_range(limits):
        got = reprlib.repr(limits)
        raise DataError(f"{path.name}: value_range must be two growing numbers [black, white], got {got}")
    units = value.get("units") or ""
    if not isinstance(units, str | int | float):
        raise DataError(f"{path.name}: units must be a word such as HU, got {reprlib.repr(units)}")
    return _Head(task, tuple(classes), (float(limits[0]), float(limits[1])) if limits else None, str(units))


def _is_range(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    try:
        return all(isinstance(v, int | float) and math.isfinite(v) for v in value) and value[0] < value[1]
    except OverflowError:  # hundreds of digits
        return False


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Return the column names, and the line and cells of each row, stripped."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} is not a table of comma-separated values in UTF-8: {error}") from None
    if not lines:
        raise DataError(f"{path.name} has no rows")
    for name in _twice(header):
        raise DataError(f"{path.name}: column {name!r} is there twice")
    for line, cells in lines:
        if len(cells) != len(header):
            raise DataError(f"{path.name} line {line}: {len(cells)} cells in a table of {len(header)} columns")
    return header, [(line, dict(zip(header, cells, strict=True))) for line, cells in lines]


def _check_header(header: Sequence[str], task: Task, classes: Sequence[str], table: str) -> None:
    if task == "multilabel" and not classes:
        raise DataError(f"{table}: needs a column 'label', or a {SETTINGS_NAME} that names the classes")
    needed = ["image", *(classes if task == "multilabel" else ["label"])]
    known = [*_COLUMNS, *needed]
    missing = [name for name in known if name not in header]
    for column in header:
        kind, _, which = column.partition(":")
        if kind == "mask" and which and which not in classes:
            raise DataError(f"{table}: column {column!r} names no class{did_you_mean(which, classes)}")
        hint = _hint(column, missing)
        if column not in (*known, *_MORE) and not which and hint:
            raise DataError(f"{table}: unknown column {column!r}{hint}")
    for name in needed:
        if name not in header:
            raise DataError(f"{table}: needs a column {name!r}; it has {', '.join(header)}")


def _hint(column: str, missing: Sequence[str]) -> str:
    """Return `; did you mean ...?` with the missing column that the name of another resembles, or nothing."""
    stem = column.casefold().replace("-", "_")
    near = next((name for name in missing if stem.startswith(f"{name.casefold()}_")), None)
    return f"; did you mean {near!r}?" if near else did_you_mean(column, missing)


def _case(row: Mapping[str, str], root: Path, task: Task, classes: Sequence[str]) -> Case:
    def file(column: str) -> Path | None:
        if not row.get(column):
            return None
        if "\0" in row[column] or max(len(os.fsencode(part)) for part in Path(row[column]).parts or ("",)) > _LONGEST:
            raise DataError(f"{column} is no name of a file: {reprlib.repr(row[column])}")
        return mirrored(row[column]) if "://" in row[column] else Path(os.path.normpath(root / row[column]))

    image = file("image")
    if image is None:
        raise DataError("mask without image" if file("mask") else "no image")
    files = {column: file(column) for column in row if ":" in column}
    return Case(
        id=row.get("id") or row["image"],
        image=image,
        label=_labels(row, classes) if task == "multilabel" else _label(row["label"], classes),
        patient=row.get("patient") or row.get("id") or row["image"],
        source=row.get("source", ""),
        split=row.get("split", ""),
        mask=file("mask"),
        class_masks={name: path for name in classes if (path := files.get(f"mask:{name}"))},
        variants={name[6:]: path for name, path in files.items() if name.startswith("image:") and path},
        gaze=file("gaze"),
        report=file("report"),
        sha256=row.get("sha256", "").casefold(),
        about={name: cell for name, cell in row.items() if cell and _is_about(name, task, classes)},
    )


def _is_about(column: str, task: Task, classes: Sequence[str]) -> bool:
    return ":" not in column and column not in (*_COLUMNS, *_MORE) and (task != "multilabel" or column not in classes)


def _label(cell: str, classes: Sequence[str]) -> int:
    if cell not in classes:
        raise DataError(f"label {cell!r} is not one of the classes {', '.join(classes)}{did_you_mean(cell, classes)}")
    return classes.index(cell)


def _labels(row: Mapping[str, str], classes: Sequence[str]) -> tuple[float, ...]:
    values = []
    for name in classes:
        try:
            value = float(row[name] or "nan")
        except ValueError:
            value = -1.0
        if value < 0 or value > 1:
            raise DataError(f"label of {name!r} must be 0, 1, between them, or empty if unknown, got {row[name]!r}")
        values.append(value)
    return tuple(values)


def _row(case: Case, cohort: Cohort, folder: Path) -> dict[str, str]:
    def name(path: Path | None) -> str:
        if path is None:
            return ""
        return store_url(path) or Path(os.path.relpath(path, folder)).as_posix()

    if isinstance(case.label, int):
        labels = {"label": cohort.classes[case.label]}
    else:
        labels = {c: "" if v != v else f"{v:g}" for c, v in zip(cohort.classes, case.label, strict=True)}
    about = {"id": case.id, "image": name(case.image), **labels, "patient": case.patient}
    more = {"source": case.source, "split": case.split, "mask": name(case.mask)}
    more |= {"gaze": name(case.gaze), "report": name(case.report), "sha256": case.sha256}
    masks = {f"mask:{c}": name(path) for c, path in case.class_masks.items()}
    variants = {f"image:{v}": name(path) for v, path in case.variants.items()}
    known = about | more | masks | variants
    return known | {column: cell for column, cell in case.about.items() if column not in known}


def _twice(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
