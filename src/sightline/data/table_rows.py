"""The rows of a cohort's table, read a block at a time, so that its length costs no memory."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from sightline.data.case_columns import MOST
from sightline.data.case_table import Block
from sightline.data.cohort import Cohort
from sightline.data.images import Array
from sightline.data.table_columns import RowReader, check_header
from sightline.data.table_head import Head, twice
from sightline.errors import DataError

Row = tuple[int, list[str]]  # its line, and its cells without white space around
Rows = Callable[[], Iterator[Row]]  # from the first; that is the header


def read_rows(path: Path, rows: Rows, head: Callable[[], Head], *, settings: str) -> tuple[Cohort, Iterator[Block]]:
    """Read a cohort, whose cases come in blocks.

    The rows are gone through twice: that they are a table, and what classes there are, is known before the first is
    looked at. So what is wrong with the whole is told before what is wrong with a row.

    Args:
        path: the table, for messages; its folder is the root of the cohort.
        rows: goes through them.
        head: reads what stands beside the table.
        settings: what to call that.

    Returns:
        The cohort without its cases, and those: `MOST` in each block but the last. What is wrong with a row is raised
        while they come.

    Raises:
        DataError: the table, a column or a key cannot be used.
    """
    header, labels = _survey(path.name, rows)
    told = head()
    if not told.classes and "label" in header:
        told = Head(told.task or "multiclass", tuple(sorted(labels)), told.value_range, told.units)
    task = told.task or ("multiclass" if "label" in header else "multilabel")
    if task == "binary" and len(told.classes) != 2:
        raise DataError(f"{path.name}: a binary task has two classes, got {', '.join(told.classes) or 'none'}")
    check_header(header, task, told.classes, table=path.name, settings=settings)
    root = path.parent.absolute()
    reader = RowReader(header, root, task, told.classes)
    return Cohort(root, task, told.classes, (), told.value_range, told.units), _blocks(path.name, rows, reader)


def _survey(table: str, rows: Rows) -> tuple[list[str], set[str]]:
    """Return the header, and what stands in the column `label`.

    Raises:
        DataError: this is no table.
    """
    left = rows()
    _, header = next(left)
    place = header.index("label") if "label" in header else None
    labels: set[str] = set()
    count, wrong = 0, ""
    for line, cells in left:
        count += 1
        if len(cells) != len(header):
            wrong = wrong or _wrong_length(table, line, cells, header)
        elif place is not None:
            labels.add(cells[place])
    if not count:
        raise DataError(f"{table} has no rows")
    for name in twice(header):
        raise DataError(f"{table}: column {name!r} is there twice")
    if wrong:
        raise DataError(wrong)
    return header, labels - {""}


def _wrong_length(table: str, line: int, cells: Sequence[str], header: Sequence[str]) -> str:
    return f"{table} line {line}: {len(cells)} cells in a table of {len(header)} columns"


def _blocks(table: str, rows: Rows, reader: RowReader) -> Iterator[Block]:
    """Yield the cases, until a row cannot be used; then find all that cannot.

    Raises:
        DataError: a row cannot be used, or an id is there twice.
    """
    first, count = "", 0
    hashes = []
    for block, ids, problems in _read(table, rows, reader):
        first, count = first or next(iter(problems), ""), count + len(problems)
        hashes.append(np.fromiter(map(hash, ids), np.int64, len(ids)))
        if block is not None and not count:
            yield block
    suspects = _repeated(np.concatenate(hashes))
    if suspects:
        again = (name for _, ids, _ in _read(table, rows, reader) for name in ids if hash(name) in suspects)
        repeated = [name for name, times in Counter(again).items() if times > 1]
        count += len(repeated)
        first = first or next((f"{table}: id {name!r} is there twice" for name in repeated), "")
    if count:
        raise DataError(first + (f" (and {count - 1} more)" if count > 1 else ""))


def _read(table: str, rows: Rows, reader: RowReader) -> Iterator[tuple[Block | None, Sequence[str], list[str]]]:
    """Yield cases, their ids, and why rows cannot be used; where there are such, no cases."""
    left = rows()
    _, header = next(left)
    while chunk := list(islice(left, MOST)):
        for line, cells in chunk:
            if len(cells) != len(header):  # it was another when surveyed
                raise DataError(_wrong_length(table, line, cells, header))
        try:
            block, ids = reader.block([cells for _, cells in chunk])
        except DataError:
            yield None, *_one_by_one(table, chunk, reader)
        else:
            yield block, ids, []


def _one_by_one(table: str, chunk: Sequence[Row], reader: RowReader) -> tuple[list[str], list[str]]:
    """Return the ids of the rows that can be used, and why others cannot."""
    ids, problems = [], []
    for line, cells in chunk:
        try:
            ids.append(reader.case(cells).id)
        except DataError as error:
            problems.append(f"{table} line {line}: {error}")
    return ids, problems


def _repeated(hashes: Array) -> set[int]:
    """Return those that are there more than once; nearly always none."""
    hashes.sort()
    return set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
