"""What the columns of a cohort's table mean: a row as a `Case`, many rows at once as a `Block` of them."""

import os
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from sightline.data.case_columns import Files, Labels, Texts
from sightline.data.case_table import Block, Column
from sightline.data.cohort import Case, Task, did_you_mean
from sightline.data.images import Array
from sightline.errors import DataError
from sightline.stores import mirrored

COLUMNS = ("id", "image", "label", "patient", "source", "split", "mask")
_MORE = ("gaze", "report", "sha256")  # too like other words to be guessed at
_LONGEST = 255  # bytes of a part of a file's name
_SHORT = 60  # letters that have no more bytes than that
_FOLDERS = 2**16  # to remember
_UNUSUAL = ("", ".", "..")


def check_header(header: Sequence[str], task: Task, classes: Sequence[str], *, table: str, settings: str) -> None:
    """Check the names of the columns.

    Args:
        header: the names.
        task: of the cohort.
        classes: their names.
        table: what to call the table in messages.
        settings: what to call the file beside it.

    Raises:
        DataError: one is missing, or resembles one that is.
    """
    if task == "multilabel" and not classes:
        raise DataError(f"{table}: needs a column 'label', or a {settings} that names the classes")
    needed = ["image", *(classes if task == "multilabel" else ["label"])]
    known = [*COLUMNS, *needed]
    missing = [name for name in known if name not in header]
    for column in header:
        kind, _, which = column.partition(":")
        if kind == "mask" and which and which not in classes:
            raise DataError(f"{table}: column {column!r} names no class{did_you_mean(which, classes)}")
        alike = hint(column, missing)
        if column not in (*known, *_MORE) and not which and alike:
            raise DataError(f"{table}: unknown column {column!r}{alike}")
    for name in needed:
        if name not in header:
            raise DataError(f"{table}: needs a column {name!r}; it has {', '.join(header)}")


def hint(column: str, missing: Sequence[str]) -> str:
    """Return `; did you mean ...?` with the missing column that the name of another resembles, or nothing."""
    stem = column.casefold().replace("-", "_")
    near = next((name for name in missing if stem.startswith(f"{name.casefold()}_")), None)
    return f"; did you mean {near!r}?" if near else did_you_mean(column, missing)


class RowReader:
    """Reads rows of one table.

    Args:
        header: names of its columns, checked.
        root: folder that file names are relative to.
        task: of the cohort.
        classes: their names.
    """

    def __init__(self, header: Sequence[str], root: Path, task: Task, classes: Sequence[str]) -> None:
        self._header, self._root, self._task, self._classes = tuple(header), root, task, tuple(classes)
        self._places = {name: index for index, name in enumerate(classes)}
        self._folders: dict[str, str] = {}

    def case(self, cells: Sequence[str]) -> Case:
        """Read a row.

        Raises:
            DataError: it cannot be used.
        """
        row = dict(zip(self._header, cells, strict=True))

        def file(column: str) -> Path | None:
            return self._file(column, row[column]) if row.get(column) else None

        image = file("image")
        if image is None:
            raise DataError("mask without image" if file("mask") else "no image")
        files = {column: file(column) for column in row if ":" in column}
        classes = self._classes
        return Case(
            id=row.get("id") or row["image"],
            image=image,
            label=_labels(row, classes) if self._task == "multilabel" else _label(row["label"], classes),
            patient=row.get("patient") or row.get("id") or row["image"],
            source=row.get("source", ""),
            split=row.get("split", ""),
            mask=file("mask"),
            class_masks={name: path for name in classes if (path := files.get(f"mask:{name}"))},
            variants={name[6:]: path for name, path in files.items() if name.startswith("image:") and path},
            gaze=file("gaze"),
            report=file("report"),
            sha256=row.get("sha256", "").casefold(),
            about={name: cell for name, cell in row.items() if cell and self._is_about(name)},
        )

    def block(self, rows: Sequence[Sequence[str]]) -> tuple[Block, Sequence[str]]:
        """Read many rows at once, as `case` reads each of them, but ten times as fast.

        Returns:
            The cases, and their ids.

        Raises:
            DataError: one of them cannot be used; `case` tells which and why.
        """
        cells = dict(zip(self._header, zip(*rows, strict=True), strict=True))
        empty = ("",) * len(rows)
        images = cells["image"]
        if "" in images:
            raise DataError("no image")
        ids = _first(cells.get("id", empty), images)
        columns: dict[str, Column] = {
            "id": Texts.of(ids),
            "image": self._files("image", images),
            "label": Labels.of(self._all_labels(cells)),
            "patient": Texts.of(_first(cells.get("patient", empty), ids)),
            "source": Texts.of(cells.get("source", empty)),
            "split": Texts.of(cells.get("split", empty)),
            "sha256": Texts.of([cell.casefold() for cell in cells.get("sha256", empty)]),
        }
        files = {
            name: self._files(name, cells[name])
            for name in self._header
            if (":" in name or name in ("mask", "gaze", "report")) and any(cells[name])
        }
        columns |= {name: files[name] for name in ("mask", "gaze", "report") if name in files}
        masks = {name: files.get(f"mask:{name}") for name in self._classes}
        columns |= {f"class_masks:{name}": column for name, column in masks.items() if column is not None}
        variants = {name[6:]: column for name, column in files.items() if name.startswith("image:")}
        columns |= {f"variants:{name}": column for name, column in variants.items()}
        for name in filter(self._is_about, self._header):
            if any(cells[name]):
                columns[f"about:{name}"] = Texts.of([cell or None for cell in cells[name]])
        return Block(len(rows), columns), ids

    def _is_about(self, column: str) -> bool:
        label = self._task == "multilabel" and column in self._places
        return ":" not in column and column not in (*COLUMNS, *_MORE) and not label

    def _file(self, column: str, cell: str) -> Path:
        self._check(column, cell, cell)
        return mirrored(cell) if "://" in cell else Path(os.path.normpath(self._root / cell))

    def _check(self, column: str, cell: str, path: str) -> None:
        if "\0" in cell or max(len(os.fsencode(part)) for part in Path(path).parts or ("",)) > _LONGEST:
            raise DataError(f"{column} is no name of a file: {reprlib.repr(cell)}")

    def _files(self, column: str, cells: Iterable[str]) -> Files:
        return Files.of(self._place(column, cell) if cell else None for cell in cells)

    def _place(self, column: str, cell: str) -> tuple[str, str]:
        """Return folder and last part of `_file`; what a folder is, is found out once."""
        head, tail = os.path.split(cell)
        if tail in _UNUSUAL or len(tail) > _SHORT or "\0" in cell or "://" in cell:
            return os.path.split(self._file(column, cell))
        folder = self._folders.get(head)
        if folder is None:
            self._check(column, cell, head)
            if len(self._folders) == _FOLDERS:
                self._folders.clear()
            self._folders[head] = folder = os.path.normpath(self._root / head)
        return folder, tail

    def _all_labels(self, cells: Mapping[str, Sequence[str]]) -> Array:
        """Return the labels of many rows, `(N,)` or `(N, K)`."""
        if self._task == "multilabel":
            numbers = _Values()
            return np.asarray([[numbers[cell] for cell in cells[name]] for name in self._classes], np.float64).T.copy()
        try:
            return np.asarray([self._places[cell] for cell in cells["label"]], np.int64)
        except KeyError:
            raise DataError("not a class") from None


class _Values(dict[str, float]):
    """Labels by what stands in a cell."""

    def __missing__(self, cell: str) -> float:
        (self[cell],) = _labels({"": cell}, ("",))
        return self[cell]


def _first(cells: Sequence[str], otherwise: Sequence[str]) -> Sequence[str]:
    return [cell or other for cell, other in zip(cells, otherwise, strict=True)]


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
