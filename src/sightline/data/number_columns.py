"""Columns of numbers from tables that are too large to hold, a piece at a time."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from sightline.data.images import Array
from sightline.errors import DataError, DataNotFoundError
from sightline.stores import fetched

_LONGEST = 64  # letters of a cell of text, as of a DICOM identifier


def stream_columns(
    path: Path, numbers: Sequence[str], texts: Sequence[str] = (), *, name: str = "", rows: int = 20_000
) -> Iterator[dict[str, Array]]:
    """Read some columns of a table of comma-separated values, without line breaks inside cells.

    Columns are found whatever their order and whatever the case, spaces and signs of their names.

    Args:
        path: the file, UTF-8.
        numbers: names of columns of numbers.
        texts: names of columns of text, of which 64 letters are kept.
        name: what to call the file in messages; by default its own name.
        rows: rows a piece.

    Yields:
        Each column by the name asked for: `(rows,)` float64, NaN where empty, or text.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: a column is missing, a row too short, or a cell not a number.
    """
    name = name or path.name
    wanted = [*texts, *numbers]
    dtype = np.dtype([*((text, f"U{_LONGEST}") for text in texts), *((number, float) for number in numbers)])
    places = find_columns(read_header(path, name=name), wanted, name=name)
    try:
        with fetched(path).open(encoding="utf-8-sig", newline="") as file:
            next(file)
            read = 1
            while lines := list(islice(file, rows)):
                yield _parse(lines, read, dtype, places, name)
                read += len(lines)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{name} is not a table of comma-separated values in UTF-8: {error}") from None


def read_columns(path: Path, numbers: Sequence[str], *, name: str = "") -> dict[str, Array]:
    """Read some columns of numbers whole; see `stream_columns`."""
    pieces = list(stream_columns(path, numbers, name=name))
    return {column: np.concatenate([[], *(piece[column] for piece in pieces)]) for column in numbers}


def read_header(path: Path, *, name: str = "") -> list[str]:
    """Return the names of the columns of a table.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it is not text.
    """
    name = name or path.name
    if not fetched(path).is_file():
        raise DataNotFoundError(f"{name}: no such table")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [column.strip() for column in next(csv.reader(file), [])]
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{name} is not a table of comma-separated values in UTF-8: {error}") from None


def find_columns(header: Sequence[str], wanted: Sequence[str], *, name: str) -> list[int]:
    """Return the places of columns in a header.

    Raises:
        DataError: some are not there; all that are missing and all that are there are listed.
    """
    places = {plain(column): place for place, column in reversed(list(enumerate(header)))}
    missing = [column for column in wanted if plain(column) not in places]
    if missing:
        raise DataError(f"{name}: needs columns {', '.join(missing)}; it has {', '.join(header) or 'none'}")
    return [places[plain(column)] for column in wanted]


def plain(column: str) -> str:
    """Return the letters and digits of a column's name in lower case."""
    return "".join(letter for letter in column.casefold() if letter.isalnum())


def _parse(lines: list[str], read: int, dtype: np.dtype[np.void], places: list[int], name: str) -> dict[str, Array]:
    """Parse lines that follow `read` others."""
    filled = [line for line in lines if line.strip()]
    if not filled:
        return {column: np.empty(0, dtype[column]) for column in dtype.names or ()}
    try:
        table = np.loadtxt(filled, dtype, delimiter=",", usecols=places, comments=None, quotechar='"', ndmin=1)
    except ValueError:  # an empty cell, or something wrong
        table = np.asarray(list(_rows(lines, read, dtype, places, name)), dtype)
    return {column: table[column] for column in dtype.names or ()}


def _rows(
    lines: list[str], read: int, dtype: np.dtype[np.void], places: list[int], name: str
) -> Iterator[tuple[str | float, ...]]:
    columns = list(zip(dtype.names or (), places, strict=True))
    for line, row in enumerate(csv.reader(lines), start=read + 1):
        if not row or row == [""]:
            continue
        if len(row) <= max(places):
            raise DataError(f"{name} line {line}: {len(row)} cells, where column {max(places) + 1} is needed")
        yield tuple(
            _cell(row[place].strip(), column, dtype[column], f"{name} line {line}") for column, place in columns
        )


def _cell(cell: str, column: str, kind: np.dtype[np.generic], where: str) -> str | float:
    if kind.kind == "U":
        return cell
    try:
        return float(cell or "nan")
    except ValueError:
        raise DataError(f"{where}: {column} must be a number, got {cell!r}") from None
