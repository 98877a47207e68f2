"""The mirror of stores is kept below a limit: what was not used for the longest time is removed.

The limit is `SIGHTLINE_CACHE_GIB`, 50 if it is not set, and never more than the disk can hold. It belongs to a machine
and not to a run, so it is no setting of a run. When a file was last used is the time of its last access, which is set
on purpose, since many disks do not keep it. All processes of a machine share one count, in a file that one at a time
may change; where it counts too much, as after a download that failed, looking at the folder sets it right.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sightline.errors import SettingsError
from sightline.stores.mirror import stores_folder

_DEFAULT_GIB = 50.0
_KEPT_S = 60.0  # what was used so recently may be about to be opened
_UNFINISHED_S = 86_400.0  # a download that was last written to so long ago has been killed
_TOUCH_S = 10.0
_SPARE = 2**30  # bytes that the disk keeps free
_SHARE = 0.9  # of the limit is left when it was passed
_COUNT, _LOCK = ".bytes", ".lock"


def touch(path: Path) -> None:
    """Note that a file is being used.

    Raises:
        FileNotFoundError: it has just been removed.
    """
    stat, now_ns = path.stat(), time.time_ns()
    if now_ns - stat.st_atime_ns > _TOUCH_S * 1e9:
        os.utime(path, ns=(now_ns, stat.st_mtime_ns))


def make_room(size: int) -> None:
    """Count bytes that are about to be written, and remove other files where they would not fit.

    Raises:
        SettingsError: the folder cannot be written to, or `SIGHTLINE_CACHE_GIB` is no number above 0.
    """
    from filelock import FileLock

    limit, root = limit_bytes(), stores_folder()
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)  # images of patients
        with FileLock(root / _LOCK):
            count = root / _COUNT
            used = _counted(count)
            free = shutil.disk_usage(root).free
            if used + size > limit or free < size + _SPARE:
                files = list(_files(root))
                used = sum(length for _, length, _ in files)
                excess = used + size - limit
                most = max(excess + (1 - _SHARE) * limit if excess > 0 else 0, size + _SPARE - free)
                used -= _removed(files, most)
            count.write_text(str(used + size), encoding="ascii")
    except OSError as error:
        raise SettingsError(f"cache folder {root} cannot be written to ({error.strerror})") from None


def limit_bytes() -> int:
    """Return how many bytes the mirror may hold."""
    text = os.environ.get("SIGHTLINE_CACHE_GIB") or str(_DEFAULT_GIB)
    try:
        limit = float(text) * 2**30
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise SettingsError(f"SIGHTLINE_CACHE_GIB must be a number above 0, got {text!r}")
    return int(limit)


def _counted(count: Path) -> int:
    try:
        return int(count.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 1 << 62  # not known: look


def _files(folder: Path) -> Iterator[tuple[float, int, str]]:
    """Yield last use, size and name of each file, and remove what killed processes left behind."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path))
                    continue
                stat = entry.stat(follow_symlinks=False)
                if entry.name.startswith(".") and entry.name.endswith(".part"):
                    if time.time() - stat.st_ctime > _UNFINISHED_S:  # mtime may be set already
                        Path(entry.path).unlink()
                elif entry.name not in (_COUNT, _LOCK):
                    yield stat.st_atime, stat.st_size, entry.path


def _removed(files: list[tuple[float, int, str]], most: float) -> int:
    """Remove files, the longest unused first, until so many bytes are gone; return how many."""
    gone = 0
    for used, size, name in sorted(files):
        if gone >= most or time.time() - used < _KEPT_S:
            break
        with suppress(OSError):
            Path(name).unlink()
            gone += size
    return gone
