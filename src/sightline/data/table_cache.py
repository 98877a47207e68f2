"""The cases of a long table, kept in a file that all processes of a machine share and that opens in no time.

The file lies in `cohorts` in Sightline's cache folder (see `sightline.stores.mirror`), which nobody else may look into,
under the name of the table. It may be removed at any time, and it is never required: where it cannot be written, the
cases are kept in memory. It is of use as long as nothing of the table has changed: its path, inode, size, times, what
stands in `cohort.yaml`, and where the cache folder is. Of a table that changed within the last two seconds nothing is
kept, as two changes could share a time; nor where there is no time of the last change (Windows).

First the arrays of the blocks, then what they are, as JSON, then its place and a checksum of all. Every write is a
rename. What does not fit the table or its own checksum is made anew; nothing in it is code or becomes any.
"""

import json
import mmap
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sightline import __version__
from sightline.data.case_columns import Files, Labels, Texts
from sightline.data.case_table import Block, CaseTable, Column
from sightline.data.cohort import Cohort
from sightline.data.images import Array
from sightline.data.prepared_cache import file_identity
from sightline.errors import DataError
from sightline.runs import atomic_path
from sightline.stores import cache_folder

VERSION = 1  # count up when the same table gives other cases, or the file looks otherwise
LEAST_BYTES = 4 * 2**20  # of a table; a shorter one is read in the time it takes to look for what was kept
_MAGIC = b"sightcas"
_END = struct.Struct("<QI")  # where the JSON begins, and the checksum of all before this
_SETTLED_NS = 2 * 10**9
_CHUNK = 2**24

Made = Callable[[], tuple[Cohort, Iterable[Block]]]


class _ChangedError(OSError):
    """The table changed while it was read."""


def kept_cohort(table: Path, settings: Path, make: Made) -> Cohort:
    """Return the cohort of a table: from the file that keeps it, else made, and kept if it is worth that.

    Args:
        table: the table.
        settings: the file beside it, if there is one.
        make: reads them: the cohort without its cases, and those. What it raises is passed on.
    """
    place = _Place.of(table, settings)
    kept = None if place is None else place.read()
    if kept is None and place is not None:
        with _alone(place.file):
            kept = place.read() or place.write(make)  # another process may have been at it
    if kept is not None:
        return kept
    bare, blocks = make()
    return replace(bare, cases=CaseTable(blocks))


@dataclass(frozen=True)
class _Place:
    """Where the cases of a table are kept.

    Attributes:
        file: the file.
        stamp: changes whenever the table does.
        table: the table.
        settings: the file beside it.
    """

    file: Path
    stamp: str
    table: Path
    settings: Path

    @classmethod
    def of(cls, table: Path, settings: Path) -> "_Place | None":
        """Find it; None for a table that is not to be kept."""
        try:
            stat = table.stat()
            if os.name != "posix" or stat.st_size < LEAST_BYTES or time.time_ns() - stat.st_ctime_ns < _SETTLED_NS:
                return None
            folder = cache_folder() / "cohorts"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            name = zlib.crc32(os.fsencode(table.absolute()))
            return cls(
                folder / f"{table.absolute().parent.name}-{name:08x}.cases", _stamp(table, settings), table, settings
            )
        except (OSError, RuntimeError):  # the latter of nobody's home
            return None

    def read(self) -> Cohort | None:
        """Return the cohort that the file keeps; None if there is none, or it is not whole and of this very table."""
        try:
            with self.file.open("rb") as opened:
                content = memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
            start, checksum = _END.unpack(content[-_END.size :])
            if bytes(content[: len(_MAGIC)]) != _MAGIC or _checksum(content[: -_END.size]) != checksum:
                return None
            told = json.loads(bytes(content[start : -_END.size]))
            if told["stamp"] != self.stamp:
                return None
            blocks = [
                Block(count, {name: _column(kind, content, parts) for name, (kind, parts) in columns.items()})
                for count, columns in told["blocks"]
            ]
            task, classes, limits, units = told["cohort"]
        except (OSError, ValueError, KeyError, TypeError, struct.error):
            return None
        limits = None if limits is None else (limits[0], limits[1])
        cases = CaseTable(blocks, origin=partial(_cases_again, self))
        return Cohort(self.table.parent.absolute(), task, tuple(classes), cases, limits, units)

    def write(self, make: Made) -> Cohort | None:
        """Make the cohort and keep it; None if it cannot be kept."""
        bare, blocks = make()
        try:
            with atomic_path(self.file) as temporary:
                with temporary.open("wb") as opened:
                    _Writer(opened).write(self.stamp, bare, blocks)
                if _stamp(self.table, self.settings) != self.stamp:
                    raise _ChangedError
        except OSError:  # of writing: what reading raises is another
            return None
        return self.read()


def _cases_again(place: _Place) -> CaseTable:
    """Return the cases in another process, or on another machine that sees the table.

    Raises:
        DataError: neither the file nor the table is as it was.
    """
    from sightline.data.table import read_table  # it reads by this module

    cohort = place.read()
    if cohort is None and place.table.is_file() and _stamp(place.table, place.settings) == place.stamp:
        cohort = read_table(place.table)
    if cohort is None or not isinstance(cohort.cases, CaseTable):
        raise DataError(f"{place.table} is not as it was when its cases were sent to this process; read it again")
    return cohort.cases


class _Writer:
    """Writes blocks to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._length, self._checksum = file, 0, 0

    def write(self, stamp: str, bare: Cohort, blocks: Iterable[Block]) -> None:
        """Write all of a cohort, a block at a time."""
        self._put(_MAGIC)
        told: list[Any] = []
        for block in blocks:
            columns = {name: self._put_column(column) for name, column in block.columns.items()}
            told.append((block.count, columns))
        head = (bare.task, bare.classes, bare.value_range, bare.units)
        start = self._length
        self._put(json.dumps({"stamp": stamp, "cohort": head, "blocks": told}).encode())
        self._file.write(_END.pack(start, self._checksum))

    def _put(self, content: bytes) -> None:
        self._file.write(content)
        self._length += len(content)
        self._checksum = zlib.crc32(content, self._checksum)

    def _put_column(self, column: Column) -> tuple[str, list[Any]]:
        if isinstance(column, Labels):
            return "labels", [self._put_array(column.codes), self._put_array(column.values)]
        texts = [column.folders, column.names] if isinstance(column, Files) else [column]
        parts = [self._put_array(array) for each in texts for array in (each.codes, each.ends, each.data)]
        return "files" if isinstance(column, Files) else "texts", parts

    def _put_array(self, array: Array | None) -> tuple[str, tuple[int, ...], int] | None:
        if array is None:
            return None
        self._put(bytes(-self._length % 8))  # so that numbers lie as the processor likes them
        kind, start = array.dtype.newbyteorder("<"), self._length
        self._put(np.ascontiguousarray(array, kind).tobytes())
        return kind.str, array.shape, start


def _column(kind: str, content: memoryview, parts: list[Any]) -> Column:
    arrays = [None if part is None else _array(content, *part) for part in parts]
    if kind == "labels":
        codes, values = arrays
        return Labels(codes, _there(values))
    texts = [Texts(arrays[at], _there(arrays[at + 1]), _there(arrays[at + 2])) for at in range(0, len(arrays), 3)]
    if kind == "files":
        folders, names = texts
        return Files(folders, names)
    (column,) = texts
    return column


def _array(content: memoryview, kind: str, shape: list[int], start: int) -> Array:
    found: Array = np.frombuffer(content, kind, int(np.prod(shape)), start).reshape(shape)
    return found


def _there(array: Array | None) -> Array:
    if array is None:
        raise ValueError("an array is missing")
    return array


def _checksum(content: memoryview) -> int:
    found = 0
    for start in range(0, len(content), _CHUNK):
        found = zlib.crc32(content[start : start + _CHUNK], found)
    return found


def _stamp(table: Path, settings: Path) -> str:
    beside = settings.read_bytes().hex() if settings.is_file() else None
    mirror = str(cache_folder())  # files of a store lie below it
    return repr((VERSION, __version__, file_identity(table)[0].hex(), beside, mirror))


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Wait while another process of this machine makes the same file; where that cannot be told, do not."""
    with ExitStack() as stack:
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(stack.enter_context(file.with_suffix(".lock").open("ab")), fcntl.LOCK_EX)
        yield
