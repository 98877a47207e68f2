"""Files of a store brought to this machine when they are needed."""

import hashlib
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from sightline.errors import DataNotFoundError, SettingsError, SightlineError
from sightline.runs import atomic_path
from sightline.stores.asking import asked
from sightline.stores.mirror import store_url
from sightline.stores.room import make_room, touch

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_LISTED_S = 60.0  # a list of a folder serves so long
_UNLISTED = ("http", "https")  # servers without lists of files
_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "VersionId")
_TIMES = ("LastModified", "last_modified", "Last-Modified", "mtime", "updated", "created")


@dataclass(frozen=True)
class Version:
    """What tells that a file is another than before.

    Attributes:
        size: bytes; None where a store does not say.
        changed_ns: its time of change, ns since 1970. Of a file in a store it is drawn from what the store tells about
            its content, and the file that is fetched gets it as its own; it is no time of day.
        is_folder: whether it is a folder, of which nothing else is known.
    """

    size: int | None
    changed_ns: int
    is_folder: bool = False


_Listed = dict[str, Version] | None  # None where a store does not list
_lists: dict[str, tuple[float, _Listed]] = {}
_lock = Lock()


def fetched(path: Path) -> Path:
    """Make sure that a file, or a folder with all that is in it, is on this machine, and return its path.

    Files of no store are left alone, there or not.

    Raises:
        DataNotFoundError: the store has no such file.
        ServerError: the store refuses or does not answer.
        DataError: the disk is full.
        SettingsError: the cache folder cannot be written to.
        MissingExtraError: the package for this kind of store is not installed.
    """
    url = store_url(path)
    if url is None:
        return path
    try:
        if path.is_file():
            touch(path)
            return path
    except FileNotFoundError:
        pass  # another process has just made room
    found = _asked_about(url) if not path.is_dir() else Version(None, 0, is_folder=True)
    if not found.is_folder:
        return _load(path, url, found)
    for name, inner in (_listed(url) or {}).items():
        if inner.is_folder or not (path / name).is_file():
            fetched(path / name)
        else:
            touch(path / name)
    return path


def refreshed(path: Path) -> bool:
    """Bring a file of a store as it is there now; False, and no file here, if the store has none.

    Raises:
        ServerError, DataError, SettingsError, MissingExtraError: as `fetched`.
    """
    url = store_url(path)
    if url is None:
        return path.is_file()
    try:
        found = _asked_about(url)
    except DataNotFoundError:
        found = None
    if found is None or found.is_folder:
        path.unlink(missing_ok=True)
        return False
    if not _is_now(path, found):
        _load(path, url, found)
    return True


def there(path: Path) -> bool:
    """Tell whether a file or folder exists. A file that its store has changed is fetched again when it is next needed.

    Raises:
        ServerError, DataError, MissingExtraError: as `fetched`.
    """
    if store_url(path) is None:
        return path.exists()
    found = _in_store(path)
    if found is not None and not found.is_folder and path.is_file() and not _is_now(path, found):
        path.unlink(missing_ok=True)
    return found is not None


def files_under(path: Path) -> list[Path]:
    """Return the files in a folder and the folders in it, fetched or not, or else the path itself.

    Raises:
        ServerError, DataError, MissingExtraError: as `fetched`.
    """
    url = store_url(path)
    if url is None:
        return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    found = _in_store(path)
    if found is None or not found.is_folder:
        return [path]
    return sorted(file for name in _listed(url) or {} for file in files_under(path / name))


def version(path: Path) -> Version | None:
    """Return what tells a file from its other versions, without fetching it; None if there is no such file."""
    found = _local(path) if store_url(path) is None or path.is_file() else _in_store(path)
    return None if found is None or found.is_folder else found


def forget_lists(url: str) -> None:
    """Ask anew what the folders above and below an address hold, since something was written there."""
    with _lock:
        for folder in [known for known in _lists if _within(url, known) or _within(known, url)]:
            del _lists[folder]


def _within(url: str, folder: str) -> bool:
    return f"{url}/".startswith(f"{folder}/")


def _local(path: Path) -> Version | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return Version(stat.st_size, stat.st_mtime_ns) if path.is_file() else None


def _in_store(path: Path) -> Version | None:
    """Look a file up in the list of its folder, and if there is no list, ask for it alone."""
    folder, url = store_url(path.parent), str(store_url(path))
    if folder is not None and (names := _listed(folder)) is not None:
        return names.get(path.name)
    try:
        return _asked_about(url)
    except DataNotFoundError:
        return None


def _listed(url: str) -> _Listed:
    """Return the files and folders directly in a folder by name, as they were at most a minute ago."""
    when, names = _lists.get(url, (-_LISTED_S, None))
    if time.monotonic() - when < _LISTED_S:
        return names
    names = None
    if url.partition(":")[0] not in _UNLISTED:
        try:
            entries = asked(url, lambda system, path: _entries(system, path))
        except DataNotFoundError:
            entries = {}
        names = {name: _version(info) for name, info in entries.items()}
    with _lock:
        while len(_lists) >= 64:
            _lists.pop(next(iter(_lists)))
        _lists[url] = time.monotonic(), names
    return names


def _entries(system: "AbstractFileSystem", path: str) -> dict[str, Mapping[str, Any]]:
    listed: list[Mapping[str, Any]] = system.ls(path, detail=True)
    named = ((str(info["name"]).rstrip("/").rpartition("/")[2], info) for info in listed)
    return {name: info for name, info in named if str(info["name"]).strip("/") != path.strip("/")}


def _asked_about(url: str) -> Version:
    return asked(url, lambda system, path: _version(system.info(path)))


def _version(info: Mapping[str, Any]) -> Version:
    if info.get("type") == "directory":
        return Version(None, 0, is_folder=True)
    told = next((str(info[key]) for key in _TAGS if info.get(key)), None)
    if told is None:
        told = _instant(next((info[key] for key in _TIMES if info.get(key)), ""))
    size = info.get("size")
    drawn = hashlib.sha256(f"{told} {size}".encode()).digest()
    seconds = int.from_bytes(drawn[:4], "big") >> 1  # below 2^31, which every disk can keep
    return Version(None if size is None else int(size), seconds * 10**9)


def _instant(when: object) -> str:
    """Return a time in one form: a list of files and an answer about one may have it in two."""
    if isinstance(when, str):
        with suppress(ValueError):
            when = datetime.fromisoformat(when)
    if isinstance(when, datetime):
        when = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    return f"{float(when):.3f}" if isinstance(when, int | float) else str(when)


def _is_now(path: Path, found: Version) -> bool:
    """Whether the file here is the one that the store has."""
    here = _local(path)
    return here is not None and here.changed_ns == found.changed_ns and found.size in (None, here.size)


def _load(path: Path, url: str, found: Version) -> Path:
    """Load a file whole, under its name only when it is."""
    make_room(found.size or 0)

    def load(system: "AbstractFileSystem", remote: str) -> None:
        system.get_file(remote, str(temporary))
        size = temporary.stat().st_size
        if found.size is not None and size != found.size:
            raise ConnectionError(f"{size} of {found.size} bytes came")

    try:
        with atomic_path(path) as temporary:
            asked(url, load)
            os.utime(temporary, ns=(time.time_ns(), found.changed_ns))
    except SightlineError:
        raise
    except OSError as error:
        raise SettingsError(f"{path.parent} in the cache folder cannot be written to ({error.strerror})") from None
    return path
