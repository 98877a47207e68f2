r"""Images that are in a cohort more than once: files that are the same, and copies that were saved in another way.

Copies are found by how pixels rank among those around them. An image is made small, `(64, 64)`; each pixel is replaced
by its rank, so that brightness, contrast, gamma, window and bit depth no longer count; the mean of the ranks around it,
under a Gaussian of 3 pixels, is taken away, so that what all chest films have in common counts less; and the whole is
standardised. Two images are copies if these details $d$ correlate, also negatively, since one may be inverted:

$$|\mathrm{corr}(d_1, d_2)| \ge 0.92$$

So that not all details have to be compared, they are averaged to `(16, 16)` first, and only pairs with a correlation of
at least 0.88 there are looked at: 256 numbers take the place of the 64 bits of the usual perceptual hash, which let
a thousand times as many chest films through for the same copies found. All pairs are compared, as products of
matrices and block by block. `docs/methods/checks.md` says what is found and what is not.

Reference:
    Perceptual hashes of low frequencies: Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash
    Functions, 3.2.1. Ranks in place of values, the local mean, and numbers in place of bits are ours.
"""

import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from sightline.data.cohort import Case, Cohort
from sightline.data.images import Array, resize
from sightline.data.readers.checksums import sha256_of
from sightline.data.readers.files import located
from sightline.data.readers.pixels import read_pixels
from sightline.errors import DataError, DataNotFoundError, SettingsError, ShapeError
from sightline.stores import version

ALIKE = 0.92  # least correlation of the details of two copies
CANDIDATE = 0.88  # least correlation of two coarse details for the fine ones to be compared
_SIDE, _COARSE, _BLUR = 64, 16, 3.0
_LEVELS = 32.0  # of a standard deviation, as int8
_BLOCK = 2048  # images compared with as many others at once: 16 MiB of correlations
_PART = 512  # files between two commits
_TABLE = "local_ranks_1"  # another name when fingerprints are made in another way


@dataclass(frozen=True)
class Copy:
    """Two images that are one.

    Attributes:
        first: name of the earlier in the cohort.
        second: name of the later.
        identical: their files are the same, byte for byte.
        correlation: of their details, 1 for identical files; negative where one is inverted.
    """

    first: str
    second: str
    identical: bool
    correlation: float


def find_copies(
    cohort: Cohort, *, store: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> list[Copy]:
    """Find the images that are in a cohort more than once.

    Of n identical files n - 1 pairs are given, and only one of them is compared with other images. Images that cannot
    be read are compared by their checksums alone; `check_cohort` tells what is wrong with them.

    Args:
        cohort: the images.
        store: file to keep in what was found out about each file, so that it is read again only when it has changed and
            a search that was stopped goes on; None for a temporary one.
        progress: called with the number of files read and their total.

    Returns:
        Pairs in the order of the cohort, identical ones first. The pairs can be handed to `split_by_patient` as `same`.

    Raises:
        SettingsError: the store is some other file.
        MissingExtraError: a codec is not installed.
    """
    order = {case.id: index for index, case in enumerate(cohort.cases)}
    with closing(_open(store)) as database:
        owners = _read(cohort, database, progress)
        pairs = [Copy(first.id, other.id, True, 1.0) for same in owners.values() for first, other in _with_first(same)]
        rows = {row: same[0] for row, same in owners.items() if row >= 0}
        pairs += _near(rows, database)
    return sorted(pairs, key=lambda pair: (not pair.identical, order[pair.first], order[pair.second]))


def details(pixels: Array) -> Array:
    """Return how pixels rank among those around them, standardised and in 1/32 of a standard deviation.

    Args:
        pixels: `(H, W)`, of any range.

    Returns:
        `(64, 64)` int8; zeros for an image of one value.
    """
    low, high = float(pixels.min()), float(pixels.max())
    if low == high:
        return np.zeros((_SIDE, _SIDE), np.int8)
    small = resize((pixels.astype(np.float32) - np.float32(low)) / np.float32(high - low), _SIDE)
    ranks = rankdata(small).reshape(small.shape)
    local = ranks - gaussian_filter(ranks, _BLUR)
    spread = local.std()
    levels: Array = np.rint((local - local.mean()) * (_LEVELS / spread if spread else 0.0))
    return levels.clip(-127, 127).astype(np.int8)


def correlation(first: Array, second: Array) -> Array:
    """Correlate the details of images, row by row, `(N, 64, 64)` each; 0 where one is flat."""
    products: Array = np.einsum("np,np->n", _unit(first), _unit(second))
    return products


def _unit(fingerprints: Array) -> Array:
    """Return rows of mean 0 and length 1, `(N, P)` float32."""
    flat = fingerprints.reshape(len(fingerprints), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    rows: Array = flat / np.where(length > 0, length, 1)
    return rows


def _coarse(fine: Array) -> Array:
    """Average details to `(N, 16, 16)` and standardise them, `(N, 256)`."""
    step = _SIDE // _COARSE
    return _unit(fine.reshape(len(fine), _COARSE, step, _COARSE, step).mean((2, 4), dtype=np.float32))


def _with_first(cases: Sequence[Case]) -> Iterator[tuple[Case, Case]]:
    return ((cases[0], other) for other in cases[1:])


def _open(store: Path | None) -> sqlite3.Connection:
    """Open the store; without a name SQLite makes a file of its own and deletes it at the end."""
    if store is not None:
        store.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(store or "", timeout=60)
    try:
        database.execute(
            f"create table if not exists {_TABLE} (row integer primary key, file text, size integer, changed integer, "
            "sha256 text, fine blob, unique (file, size, changed))"
        )
    except sqlite3.DatabaseError as error:
        database.close()
        raise SettingsError(f"{store} keeps no fingerprints of images ({error}); give another file") from None
    return database


def _read(
    cohort: Cohort, database: sqlite3.Connection, progress: Callable[[int, int], None] | None
) -> dict[int, list[Case]]:
    """Read what is not in the store yet.

    Returns:
        The cases of each distinct file by its row in the store; negative for one that is no readable image.
    """
    by_file: dict[Path, list[Case]] = defaultdict(list)
    for case in cohort.cases:
        by_file[case.image].append(case)
    files = list(by_file)
    first: dict[tuple[str, str], int] = {}  # checksum and part -> row
    owners: dict[int, list[Case]] = defaultdict(list)
    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 4)) as pool:
        for start in range(0, len(files), _PART):
            part = files[start : start + _PART]
            known = {file: _find(database, file) for file in part}
            new = [file for file, found in known.items() if found is None and version(located(file)[0])]
            for file, made in zip(new, pool.map(_fingerprint, new), strict=True):
                if made is not None and (identity := _identity(file)) is not None:
                    insert = (
                        f"insert or replace into {_TABLE} (file, size, changed, sha256, fine) values (?, ?, ?, ?, ?)"
                    )
                    database.execute(insert, (*identity, *made))
                    known[file] = _find(database, file)
            database.commit()
            for file, found in known.items():
                if found is not None:
                    row, checksum, readable = found
                    row = first.setdefault((checksum, located(file)[1]), row if readable else -row)
                    owners[row] += by_file[file]
            if progress is not None:
                progress(start + len(part), len(files))
    return owners


def _identity(file: Path) -> tuple[str, int, int] | None:
    found = version(located(file)[0])
    return None if found is None else (str(file.absolute()), found.size or 0, found.changed_ns)


def _find(database: sqlite3.Connection, file: Path) -> tuple[int, str, bool] | None:
    """Return row, checksum, and whether the file is a readable image; None for a file that is not in the store."""
    identity = _identity(file)
    if identity is None:
        return None
    select = f"select row, sha256, fine is not null from {_TABLE} where file = ? and size = ? and changed = ?"
    found = database.execute(select, identity).fetchone()
    return None if found is None else (int(found[0]), str(found[1]), bool(found[2]))


def _fingerprint(file: Path) -> tuple[str, bytes | None] | None:
    """Return the checksum and the details of a file, None for those that cannot be read."""
    try:
        checksum = sha256_of(file)
    except (DataError, DataNotFoundError):
        return None
    try:
        return checksum, details(read_pixels(file)).tobytes()
    except (DataError, DataNotFoundError, ShapeError):
        return checksum, None


def _near(cases: Mapping[int, Case], database: sqlite3.Connection) -> list[Copy]:
    """Compare every image with every other, block by block."""
    rows = list(cases)
    blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
    coarse = [_coarse(_fine(database, block)) for block in blocks]  # 1 KiB an image
    pairs = []
    for i, first in enumerate(blocks):
        for j, second in enumerate(blocks[i:], start=i):
            likeness = coarse[i] @ coarse[j].T
            if i == j:
                likeness = np.triu(likeness, 1)
            some = np.flatnonzero(np.maximum(likeness.max(axis=1), -likeness.min(axis=1)) >= CANDIDATE)  # few
            here, there = np.nonzero(np.abs(likeness[some]) >= CANDIDATE)
            here = some[here]
            for start in range(0, len(here), _BLOCK):
                one = [first[index] for index in here[start : start + _BLOCK]]
                other = [second[index] for index in there[start : start + _BLOCK]]
                values = correlation(_fine(database, one), _fine(database, other))
                pairs += [
                    _pair(cases[a], cases[b], float(value))
                    for a, b, value in zip(one, other, values, strict=True)
                    if abs(value) >= ALIKE
                ]
    return pairs


def _pair(one: Case, other: Case, value: float) -> Copy:
    return Copy(one.id, other.id, False, round(value, 4))


def _fine(database: sqlite3.Connection, rows: Sequence[int]) -> Array:
    """Return the details of some rows, `(N, 64, 64)` int8."""
    select = f"select fine from {_TABLE} where row = ?"
    blobs = [database.execute(select, (row,)).fetchone()[0] for row in rows]
    return np.frombuffer(b"".join(blobs), np.int8).reshape(-1, _SIDE, _SIDE)
