"""Looking for the files of a download: what was expected and what was found, where they differ."""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case, did_you_mean
from sightline.errors import DataError, DataNotFoundError

_SHOWN = 8  # names in a message


def find(root: Path, *names: str, title: str) -> Path:
    """Return the first of some files or folders that is there, in `root` or in a folder right below it.

    Args:
        root: the download folder.
        names: what it may be called, relative to the folder, the usual first; `*` stands for anything.
        title: of the data set, for the message.

    Raises:
        DataNotFoundError: none is there; the message names them, and what is there instead.
    """
    if not root.is_dir():
        raise DataNotFoundError(f"{title}: no folder {root}; give the folder that holds {names[0]}")
    for name in names:
        for pattern in (name, f"*/{name}"):
            if matches := sorted(root.glob(pattern)):
                return matches[0]
    raise DataNotFoundError(
        f"{title}: expected {' or '.join(names)} in {root.name or root}, {found_in(root)}; give the folder that the "
        "download was unpacked into"
    )


def found_in(folder: Path) -> str:
    """Say what lies in a folder, the first few of many; of a folder that is not there, in the nearest one above."""
    nearest = next(each for each in (folder, *folder.parents) if each.is_dir())
    there = sorted(entry.name + "/" * entry.is_dir() for entry in nearest.iterdir() if not entry.name.startswith("."))
    return f"found {listed(there) or 'nothing'}" + (f" in {nearest.name or nearest}" if nearest != folder else "")


def read_rows(
    path: Path, columns: Sequence[str], *, title: str, delimiter: str = ",", fold: bool = False
) -> Iterator[dict[str, str]]:
    """Read a table, perhaps gzipped, row by row; cells and column names without blanks around them.

    Columns without a name after the last one with a name are left out: some tables end each row in delimiters.

    Args:
        path: the file.
        columns: those that must be there; a row has all that are.
        title: of the data set, for messages.
        delimiter: between cells; empty for the one of comma, semicolon and tab that its first line has most of.
        fold: column names in lower case, whatever their case in the file; `columns` are given so.

    Raises:
        DataError: a column is missing, a row has another number of cells, or the file is no such table.
    """
    opened: Callable[..., TextIO] = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            delimiter = delimiter or _delimiter(file)
            reader = csv.reader(file, delimiter=delimiter)
            header = [name.strip() for name in _trimmed(next(reader, []), 0)]
            header = [name.casefold() for name in header] if fold else header
            _check_columns(path, columns, header, title)
            for row in reader:
                cells = _trimmed(row, len(header))
                if cells and len(cells) != len(header):
                    raise DataError(
                        f"{title}: {path.name} line {reader.line_num}: {len(cells)} cells in a table of {len(header)} "
                        "columns; is the file complete?"
                    )
                if cells:
                    yield dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except (csv.Error, UnicodeDecodeError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{title}: {path.name} is no table of {delimiter!r}-separated values: {error}") from None


def _delimiter(file: TextIO) -> str:
    header = re.sub('"[^"]*"', "", file.readline())
    file.seek(0)
    return max(",;\t", key=header.count)


def _trimmed(cells: list[str], width: int) -> list[str]:
    """Leave out empty cells at the end, down to a width."""
    while len(cells) > width and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def _check_columns(path: Path, columns: Sequence[str], header: Sequence[str], title: str) -> None:
    missing = [name for name in columns if name not in header]
    if missing:
        others = [name for name in header if name not in columns]
        raise DataError(
            f"{title}: {path.name} has no column {missing[0]!r}{did_you_mean(missing[0], others)}; "
            f"expected {', '.join(columns)}; found {', '.join(header) or 'nothing'}"
        )


def number(cell: str, column: str, *, title: str) -> float:
    """Read a number; an empty cell is NaN.

    Raises:
        DataError: the cell holds something else.
    """
    try:
        return float(cell or "nan")
    except ValueError:
        raise DataError(f"{title}: column {column!r} must hold numbers, got {cell!r}") from None


def keep_present(selection: Selection, root: Path, *, title: str, partial: bool) -> None:
    """Leave out images whose file is not there, if part of a download will do.

    Raises:
        DataNotFoundError: one is not there, and `partial` is false; the message counts them and says what
            lies where the first should.
    """
    absent = {case.id: case.image for case in selection.cases if not case.image.is_file()}
    if absent and not partial:
        first = next(iter(absent.values()))
        name = first.relative_to(root).as_posix() if first.is_relative_to(root) else first.name
        raise DataNotFoundError(
            f"{title}: {len(absent):,} of {len(selection.cases):,} images are not there, first {name}; "
            f"{found_in(first)}; unpack the whole download, or say partial=true to go on with what is there"
        )

    def there(case: Case) -> bool:
        return case.id not in absent

    if absent:
        selection.keep("file is there", there)


def user_file(root: Path, path: Path, *, title: str) -> Path:
    """Return a file that the user names, in the download folder or as it is given.

    Raises:
        DataNotFoundError: it is in neither place.
    """
    for place in (root / path, path):
        if place.is_file():
            return place
    raise DataNotFoundError(f"{title}: no file {path}, neither in {root.name or root} nor where you are")


def listed(names: Sequence[str]) -> str:
    """Write names in a row, the first few of many."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
