"""Inputs as files, in memory where the system has a place for that."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_MEMORY = Path("/dev/shm")


@cache
def folder() -> Path:
    """A folder for the files of this process, removed at its end."""
    made = Path(tempfile.mkdtemp(prefix="sightline-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@contextmanager
def as_file(data: bytes, name: str) -> Iterator[Path]:
    """Write data to a file of this name for the time of the block."""
    path = folder() / name
    path.write_bytes(data)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
