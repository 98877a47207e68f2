"""Cases in columns: a tenth of the memory of objects, and shared by all processes that open one file.

Cases stand in blocks, and each block keeps its own columns (`case_columns`), so that a table of any length is made, and
written, a block at a time. A `Case` is built when one is asked for; a slice or a choice of cases is a table of the same
blocks and other rows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Literal, cast, overload

import numpy as np

from sightline.data.case import Case
from sightline.data.case_columns import MOST, Files, Labels, Texts
from sightline.data.images import Array
from sightline.errors import DataError

Column = Texts | Files | Labels
Rows = range | Array
Word = Literal["id", "patient", "source", "split", "sha256"]
FileField = Literal["mask", "gaze", "report", "class_masks", "variants"]
_WORDS: tuple[Word, ...] = ("id", "patient", "source", "split", "sha256")
_FILES = ("mask", "gaze", "report")
_NESTED: Mapping[str, Callable[[list[Any]], Column]] = {
    "class_masks": Files.of_paths,
    "variants": Files.of_paths,
    "about": Texts.of,
}


@dataclass(frozen=True, eq=False)
class Block:
    """Up to `MOST` cases in columns.

    Attributes:
        count: of its cases.
        columns: by the name of the field of a `Case`, with `:` and the key where it holds several, such as `about:age`;
            one that no case has may be left out.
    """

    count: int
    columns: Mapping[str, Column]

    @classmethod
    def of(cls, cases: Sequence[Case]) -> "Block":
        """Keep some cases.

        Raises:
            DataError: their labels are not of one kind.
        """
        columns: dict[str, Column] = {name: Texts.of([getattr(case, name) for case in cases]) for name in _WORDS}
        columns |= {"image": Files.of_paths(case.image for case in cases), "label": Labels.of(_labels(cases))}
        for name in _FILES:
            paths = [getattr(case, name) for case in cases]
            if any(paths):
                columns[name] = Files.of_paths(paths)
        for name, keep in _NESTED.items():
            for key in dict.fromkeys(key for case in cases for key in getattr(case, name)):
                columns[f"{name}:{key}"] = keep([getattr(case, name).get(key) for case in cases])
        return cls(len(cases), columns)

    @cached_property
    def _parts(self) -> list[tuple[str, str | None, Column]]:
        named = ((name.partition(":"), column) for name, column in self.columns.items())
        return [(field, key if colon else None, column) for (field, colon, key), column in named]

    def case(self, row: int) -> Case:
        """Build one of its cases."""
        found: dict[str, Any] = {name: {} for name in _NESTED}
        for field, key, column in self._parts:
            value = column.get(row)
            if key is None:
                found[field] = value
            elif value is not None:
                found[field][key] = value
        return Case(**found)

    def has_file(self, field: FileField, key: str | None = None) -> Array:
        """Tell which cases have a file; where a field holds several, the one of a key, or any; `(N,)` bool."""
        found = np.zeros(self.count, bool)
        for own, own_key, column in self._parts:
            if own == field and key in (None, own_key) and not isinstance(column, Labels):
                found |= column.known(self.count)
        return found


class CaseTable(Sequence[Case]):
    """Cases in columns, to index, slice and iterate over like a tuple of them, and equal to one.

    Args:
        blocks: of `MOST` cases each but the last.
        rows: which of the cases, in which order; None for all.
        origin: gives the whole table again in another process, where it is pickled in place of the columns.
    """

    __slots__ = ("_blocks", "_origin", "_rows")

    def __init__(
        self, blocks: Iterable[Block], rows: Rows | None = None, origin: "Callable[[], CaseTable] | None" = None
    ) -> None:
        self._blocks = tuple(blocks)
        self._rows: Rows = range(self._stored) if rows is None else rows
        self._origin = origin

    @classmethod
    def of(cls, cases: Iterable[Case]) -> "CaseTable":
        """Keep some cases, that may come one by one.

        Raises:
            DataError: their labels are not of one kind.
        """
        left = iter(cases)
        return cls(map(Block.of, iter(lambda: list(islice(left, MOST)), [])))

    @property
    def _stored(self) -> int:
        return sum(block.count for block in self._blocks)

    def _of_rows(self, rows: Rows) -> "CaseTable":
        return CaseTable(self._blocks, rows, self._origin)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Case: ...

    @overload
    def __getitem__(self, index: slice) -> "CaseTable": ...

    def __getitem__(self, index: int | slice) -> "Case | CaseTable":
        if isinstance(index, slice):
            return self._of_rows(self._rows[index])
        return self._case(int(self._rows[index]))

    def _case(self, row: int) -> Case:
        return self._blocks[row // MOST].case(row % MOST)

    def __iter__(self) -> Iterator[Case]:
        return (self._case(int(row)) for row in self._rows)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, CaseTable) and self._blocks is other._blocks and np.array_equal(self._rows, other._rows):
            return True
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))  # as of an equal tuple

    def __add__(self, other: Iterable[Case]) -> tuple[Case, ...]:
        return (*self, *other)

    def __radd__(self, other: Iterable[Case]) -> tuple[Case, ...]:
        return (*other, *self)

    def __repr__(self) -> str:
        return f"CaseTable of {len(self):,} cases"

    def __deepcopy__(self, memo: object) -> "CaseTable":
        return self  # nothing in it changes

    def __reduce__(self) -> tuple[Any, ...]:
        if self._origin is not None:
            return _again, (self._origin, self._rows)
        if len(self) < self._stored:
            return CaseTable.of(self).__reduce__()  # not more than its own
        return CaseTable, (self._blocks, self._rows)

    def take(self, indices: Sequence[int] | Array) -> "CaseTable":
        """Return the cases of these indices, in their order, without building any.

        Raises:
            IndexError: there is no such case.
        """
        places = np.asarray(indices, np.int64)
        if places.size and not -len(self) <= places.min() <= places.max() < len(self):
            raise IndexError(f"indices must be under {len(self)}, got {places.min()} to {places.max()}")
        if isinstance(self._rows, range):
            rows = self._rows.start + places % max(len(self), 1) * self._rows.step
            return self._of_rows(rows.astype(np.uint32 if self._stored <= 2**32 else np.int64))
        return self._of_rows(self._rows[places])

    def where(self, field: Word, value: str) -> "CaseTable":
        """Return the cases of which a field is a value, without building any."""
        codes, texts = self.coded(field)
        if value not in texts:
            return self._of_rows(range(0))
        places = np.flatnonzero(codes == texts.index(value))
        if places[-1] - places[0] == len(places) - 1:  # all in a row
            return self[int(places[0]) : int(places[-1]) + 1]
        return self.take(places)

    def coded(self, field: Word) -> tuple[Array, list[str]]:
        """Return which text of a field each case has, `(N,)`, and the different ones in the order they appear in."""
        numbers: dict[str | None, int] = {}
        codes = np.empty(self._stored, np.uint32)
        start = 0
        for block in self._blocks:
            column = cast("Texts", block.columns[field])
            own = np.asarray([numbers.setdefault(text, len(numbers)) for text in column.distinct()], np.uint32)
            codes[start : start + block.count] = column.spread(own, block.count)
            start += block.count
        codes = codes[_index(self._rows)]
        first = np.full(len(numbers), len(codes))
        first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # of places written to twice the last stays
        order = np.argsort(first, kind="stable")
        order = order[first[order] < len(codes)]
        names = np.empty(len(numbers), np.uint32)
        names[order] = np.arange(len(order))
        texts = list(numbers)
        return names[codes], [str(texts[number]) for number in order]

    def has_file(self, field: FileField, key: str | None = None) -> Array:
        """Tell which cases have a file; where a field holds several, the one of a key, or any; `(N,)` bool."""
        parts = [block.has_file(field, key) for block in self._blocks]
        return np.concatenate([np.zeros(0, bool), *parts])[_index(self._rows)]


def distinct(cases: Sequence[Case], field: Word) -> tuple[str, ...]:
    """Return the different texts of a field, in the order they appear in."""
    if isinstance(cases, CaseTable):
        return tuple(cases.coded(field)[1])
    return tuple(dict.fromkeys(getattr(case, field) for case in cases))


def where(cases: Sequence[Case], field: Word, value: str) -> Sequence[Case]:
    """Return the cases of which a field is a value."""
    if isinstance(cases, CaseTable):
        return cases.where(field, value)
    return tuple(case for case in cases if getattr(case, field) == value)


def has_file(cases: Sequence[Case], field: FileField, key: str | None = None) -> Array:
    """Tell which cases have a file; where a field holds several, the one of a key, or any; `(N,)` bool."""
    if isinstance(cases, CaseTable):
        return cases.has_file(field, key)
    found = (getattr(case, field) for case in cases)
    return np.fromiter((bool(each if key is None else each.get(key)) for each in found), bool, len(cases))


def _index(rows: Rows) -> slice | Array:
    if not isinstance(rows, range):
        return rows
    stop = rows.stop if rows.stop >= 0 else None  # downwards to the first
    return slice(rows.start, stop, rows.step) if len(rows) else slice(0)


def _labels(cases: Sequence[Case]) -> Array:
    if all(isinstance(case.label, int) for case in cases):
        return np.asarray([case.label for case in cases], np.int64)
    lengths = {-1 if isinstance(case.label, int) else len(case.label) for case in cases}
    if len(lengths) > 1:
        raise DataError("labels must be one class an image, or as many numbers for each image; these are mixed")
    return np.asarray([case.label for case in cases], np.float64)


def _again(origin: Callable[[], CaseTable], rows: Rows) -> CaseTable:
    return origin()._of_rows(rows)
