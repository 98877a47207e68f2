"""What reviewers said about cases: a small SQLite file, written at every word."""

import csv
import io
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from sightline.errors import DataError

Mark = Literal["", "agree", "wrong place", "wrong class"]
MARKS: tuple[Mark, ...] = get_args(Mark)
LONGEST_NOTE, LONGEST_NAME = 4000, 200  # letters
_TABLE = """
create table if not exists reviews (
  run text not null, bias text not null, case_name text not null, reviewer text not null,
  mark text not null, note text not null, explained text not null, method text not null, changed text not null,
  primary key (run, bias, case_name, reviewer)
) without rowid
"""


@dataclass(frozen=True)
class Review:
    """What one reviewer said about one answer.

    Attributes:
        run: whose answer; empty where a cohort alone was looked at.
        bias: form of the known bias the image was seen in.
        case: name of the case.
        reviewer: name; may be empty.
        mark: `agree`, `wrong place`, `wrong class`, or empty for a note alone.
        note: free text.
        explained: class whose map was in sight.
        method: that drew it.
        changed: when it was last changed, ISO 8601 in UTC.
    """

    run: str
    bias: str
    case: str
    reviewer: str = ""
    mark: Mark = ""
    note: str = ""
    explained: str = ""
    method: str = ""
    changed: str = ""

    def __post_init__(self) -> None:
        if self.mark not in MARKS:
            raise DataError(f"mark must be one of {', '.join(filter(None, MARKS))}, or empty, got {self.mark!r}")
        if len(self.note) > LONGEST_NOTE:
            raise DataError(f"a note has at most {LONGEST_NOTE} letters, got {len(self.note)}; shorten it")
        if len(self.reviewer) > LONGEST_NAME:
            raise DataError(f"a reviewer's name has at most {LONGEST_NAME} letters, got {len(self.reviewer)}")


class Reviews:
    """Reviews in a file. Each is on the disk before `put` returns, and any number of processes may share the file.

    Args:
        file: made if need be.

    Raises:
        DataError: it cannot be written, or is no file of reviews.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        with self._open() as base:
            base.execute(_TABLE)

    def put(self, review: Review) -> Review:
        """Keep a review in place of what its reviewer said before; without mark and note nothing is left of it.

        Returns:
            What was kept, with the time.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = (*_columns(review)[:-1], now)
        with self._open() as base:
            if review.mark or review.note.strip():
                base.execute(f"insert or replace into reviews values ({', '.join('?' * len(row))})", row)
            else:
                base.execute(
                    "delete from reviews where run = ? and bias = ? and case_name = ? and reviewer = ?", row[:4]
                )
        return _review(row)

    def all(self) -> list[Review]:
        """Return all reviews, by case and run."""
        with self._open() as base:
            rows = base.execute("select * from reviews order by case_name, run, bias, reviewer").fetchall()
        return [_review(row) for row in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection of its own whose changes are on the disk at the end of the block.

        A rollback journal, flushed at every change, outlives a kill, and unlike a write-ahead log needs no memory
        shared between processes, which network folders do not have.
        """
        with self._lock:
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                base = sqlite3.connect(self.file, timeout=10)
                try:
                    base.execute("pragma journal_mode = delete")
                    base.execute("pragma synchronous = full")
                    with base:
                        yield base
                finally:
                    base.close()
            except (sqlite3.Error, OSError) as error:
                raise DataError(
                    f"reviews cannot be kept in {self.file} ({error}); name another file with --reviews"
                ) from error


def reviews_csv(reviews: Sequence[Review]) -> str:
    """Write reviews as a table, one a row.

    A cell that a spreadsheet would take for a formula gets an apostrophe in front of it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([item.name for item in fields(Review)])
    for review in reviews:
        writer.writerow([_plain(cell) for cell in _columns(review)])
    return text.getvalue()


def _review(row: Sequence[str]) -> Review:
    run, bias, case, reviewer, mark, note, explained, method, changed = row
    if mark not in MARKS:
        raise DataError(f"a review of {case} has the mark {mark!r}, which is none of {', '.join(filter(None, MARKS))}")
    return Review(run, bias, case, reviewer, mark, note, explained, method, changed)


def _columns(review: Review) -> tuple[str, ...]:
    return tuple(getattr(review, item.name) for item in fields(Review))


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
