"""Checksums of image files, so that it shows when a file is not the one it was."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from sightline.data.cohort import Case, Cohort
from sightline.data.readers.files import at_hand
from sightline.errors import DataError, DataNotFoundError


def sha256_of(path: Path, *, name: str = "") -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits, reading it piece by piece.

    Args:
        path: the file; of `file#part` the whole file counts.
        name: what to call it in messages.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it cannot be read.
    """
    name = name or path.name
    file, _ = at_hand(path)
    if not file.is_file():
        raise DataNotFoundError(f"{name}: no such file")
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror})") from None


def with_checksums(cohort: Cohort, *, progress: Callable[[int, int], None] | None = None) -> Cohort:
    """Return a cohort that knows the checksum of every image file; those it knows already are kept.

    Files are read in parallel.

    Args:
        cohort: the images.
        progress: called with the number of cases done and their total after each.

    Raises:
        DataNotFoundError, DataError: a file is missing or cannot be read.
    """

    def known(case: Case) -> Case:
        return case if case.sha256 else replace(case, sha256=sha256_of(case.image, name=cohort.name(case.image)))

    cases: list[Case] = []
    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 4)) as pool:
        for case in pool.map(known, cohort.cases):
            cases.append(case)
            if progress is not None:
                progress(len(cases), len(cohort.cases))
    return replace(cohort, cases=tuple(cases))
