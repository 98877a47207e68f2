"""Prepared images and regions, kept in memory and in a folder that later runs and other processes share.

What a folder keeps is named by the SHA-256 of all it was made from: the content of the files, the recipe, and the
version of the code. A file that changes has another name, and so never gives the pixels it had before; one that moves
keeps its own. Reading a whole file to name it would cost more than decoding a small image, so the content of a file is
noted by its path, inode, size and times. The time of the inode's last change (ctime) is among them, which nobody can
set back, and a note is made only of a file that was left alone for two seconds before, in which two changes could share
a time. Where there is no such time (Windows), every file is read each time.

Every write is a rename, so that processes may write one thing at once and be killed at any moment. What is read is used
only if it is as long as it says, is of the right name, and has the right checksum; else it is made anew.
"""

import hashlib
import os
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from sightline import __version__
from sightline.data.images import Array
from sightline.data.readers.files import at_hand
from sightline.errors import SettingsError
from sightline.runs import atomic_path

VERSION = 1  # count up when the same files and the same recipe give other pixels, or entries look otherwise
_MAGIC = b"sightprp"
_CHECKED = struct.Struct("<8sI")  # magic and the checksum of all that follows
_HEADER = struct.Struct("<32s6I")  # name; bytes a number, three lengths of the pixels, two of the original
_START = _CHECKED.size + _HEADER.size
_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("u1"), 2: np.dtype("<u2")}
_SETTLED_NS = 2 * 10**9
_HAS_CHANGE_TIME = os.name == "posix"


class _HasBytes(Protocol):
    @property
    def nbytes(self) -> int: ...


_Sized = TypeVar("_Sized", bound=_HasBytes)


@dataclass(frozen=True)
class Prepared:
    """An image, a region, or gaze as an input, ready for a batch.

    Attributes:
        pixels: of an image `(1 or 3, size, size)`, of gaze `(F, size, size)`, both uint16 to 65,535; of a region
            `(1, size, size)` uint8, 255 where the model may look, or `(0, size, size)` if that is unknown.
        original: height and width of the image file, pixels.
    """

    pixels: Array
    original: tuple[int, int]

    @property
    def nbytes(self) -> int:
        """Memory it takes, bytes."""
        return self.pixels.nbytes


class FolderCache:
    """Prepared images and regions in a folder.

    Nothing is ever removed; delete the folder, or any file in it, whenever you like.

    Args:
        path: the folder, made if need be.

    Raises:
        SettingsError: it cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[bytes, bytes] = {}  # content by identity, as the notes in the folder
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            raise self._unwritable(error) from None

    def get(self, files: Sequence[Path], recipe: object, make: Callable[[], Prepared]) -> Prepared:
        """Return what was made of these files by this recipe, or make it and keep it.

        Args:
            files: all that it is made from, with parts (`scans.npz#chest`); their contents and suffixes count.
            recipe: all else that it depends on, told apart by `repr`.
            make: makes it. What it raises is passed on, and what it makes is kept only if no file changed meanwhile.

        Raises:
            SettingsError: the folder cannot be written to.
        """
        key = self._key(files, recipe)
        if key is None:
            return make()
        entry = _path(self.path / "prepared", key)
        kept = _read(entry, key)
        if kept is not None:
            return kept
        made = make()
        if self._key(files, recipe) == key:
            self._write(entry, _entry(made, key))
        return made

    def _key(self, files: Sequence[Path], recipe: object) -> bytes | None:
        """Return the name of what is made from these files; None if one cannot be read, which `make` will tell."""
        contents = []
        for path in files:
            file, part = at_hand(path)
            try:
                contents.append((self._content(file), "".join(file.suffixes).lower(), part))
            except OSError:
                return None
        return hashlib.sha256(repr((VERSION, __version__, contents, recipe)).encode()).digest()

    def _content(self, file: Path) -> bytes:
        """Return the SHA-256 of a file, from memory or a note where there is one."""
        identity, changed_ns = file_identity(file)
        if identity in self._known:
            return self._known[identity]
        note = _path(self.path / "contents", identity)
        content = _noted(note)
        if content is None:
            now_ns = time.time_ns()
            with file.open("rb") as opened:
                content = hashlib.file_digest(opened, "sha256").digest()
            if not _HAS_CHANGE_TIME or now_ns - changed_ns < _SETTLED_NS or file_identity(file)[0] != identity:
                return content
            self._write(note, content + zlib.crc32(content).to_bytes(4, "little"))
        self._known[identity] = content
        return content

    def _write(self, path: Path, content: bytes) -> None:
        try:
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> SettingsError:
        return SettingsError(
            f"cache_dir {self.path} cannot be written to ({error.strerror}); "
            f"make room, name another folder, or leave it out"
        )


class ImageCache:
    """Prepared images and regions, kept in memory until a budget is spent, and in a folder if there is one.

    One cache may serve any number of epochs, splits, settings and threads: each entry is named by all that it depends
    on. Memory knows files by their names, so within its life a file counts as it was when first read.

    Args:
        budget_mib: memory to spend, MiB.
        folder: where what is prepared is kept beyond the life of this process; None for nowhere.

    Raises:
        SettingsError: the folder cannot be written to.
    """

    def __init__(self, budget_mib: float = 4096.0, folder: Path | None = None) -> None:
        self._left = budget_mib * 2**20
        self._kept: dict[object, Any] = {}
        self._lock = threading.Lock()
        self._folder = None if folder is None else FolderCache(folder)

    def get(self, key: object, make: Callable[[], _Sized]) -> _Sized:
        """Return what memory keeps under `key`, or make it, and keep it while there is room."""
        if key in self._kept:
            kept: _Sized = self._kept[key]
            return kept
        made = make()
        with self._lock:
            if key not in self._kept and made.nbytes <= self._left:
                self._kept[key] = made
                self._left -= made.nbytes
        return made

    def prepared(self, files: Sequence[Path], recipe: object, make: Callable[[], Prepared]) -> Prepared:
        """Return what is made of files by a recipe: from memory, else from the folder, else made; see `FolderCache`."""
        folder = self._folder
        return self.get((tuple(files), recipe), make if folder is None else lambda: folder.get(files, recipe, make))


def file_identity(file: Path) -> tuple[bytes, int]:
    """Return a name that changes whenever the content of a file does, and when it last changed, ns since 1970."""
    stat = file.stat()
    path = os.path.abspath(file)  # noqa: PTH100 - Path.resolve would ask the disk about each part of it
    told = (path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return hashlib.sha256(repr(told).encode(errors="surrogateescape")).digest(), stat.st_ctime_ns


def _path(folder: Path, name: bytes) -> Path:
    return folder / name[:1].hex() / name[1:].hex()


def _noted(note: Path) -> bytes | None:
    try:
        stored = note.read_bytes()
    except OSError:
        return None
    content, checksum = stored[:32], stored[32:]
    return content if len(content) == 32 and checksum == zlib.crc32(content).to_bytes(4, "little") else None


def _entry(made: Prepared, key: bytes) -> bytes:
    width = made.pixels.dtype.itemsize
    body = _HEADER.pack(key, width, *made.pixels.shape, *made.original) + made.pixels.astype(_TYPES[width]).tobytes()
    return _CHECKED.pack(_MAGIC, zlib.crc32(body)) + body


def _read(entry: Path, key: bytes) -> Prepared | None:
    """Return what a file keeps; None if there is none, or it is not whole and the right one."""
    try:
        with entry.open("rb", buffering=0) as opened:
            stored = bytearray(os.fstat(opened.fileno()).st_size)
            if opened.readinto(stored) != len(stored) or len(stored) < _START:
                return None
    except OSError:
        return None
    magic, checksum = _CHECKED.unpack_from(stored)
    found, width, channels, rows, columns, *original = _HEADER.unpack_from(stored, _CHECKED.size)
    if (
        magic != _MAGIC
        or found != key
        or width not in _TYPES
        or len(stored) != _START + width * channels * rows * columns
    ):
        return None
    if zlib.crc32(memoryview(stored)[_CHECKED.size :]) != checksum:
        return None
    pixels = np.frombuffer(stored, _TYPES[width], offset=_START).reshape(channels, rows, columns)
    return Prepared(pixels, (original[0], original[1]))
