"""What is written into a store: a table, or a folder that appears whole or not at all."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.errors import DataNotFoundError, RunError, ServerError, SettingsError
from sightline.runs import write_text
from sightline.stores.asking import asked
from sightline.stores.fetching import forget_lists, there
from sightline.stores.mirror import cache_folder, mirrored, store_url
from sightline.urls import holds_secret, url_of

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_LEFT_S = 86_400.0  # a folder that was begun so long ago is of a killed process
_NO_STORES = ("file", "http", "https", "local")


def place_for_results(out: Path) -> Path:
    """Return the folder that stands for one that is to be written to: itself, or where a store is mirrored.

    Args:
        out: a folder of the disk, or an address in a store.

    Raises:
        SettingsError: results cannot be written to such an address, or it holds a secret.
        ServerError: the store refuses or does not answer.
        DataError, MissingExtraError: the address names no place, or a kind of store that is not known here.
    """
    url = url_of(out)
    if url is None:
        return out.absolute()
    if holds_secret(url):
        raise SettingsError(
            "the folder for results must not be an address with a password or a query ('?...'); leave them where the "
            "store's own programs look for them, such as its profiles or the environment"
        )
    scheme = url.partition(":")[0]
    if scheme in _NO_STORES:
        raise SettingsError(f"results cannot be written to {url}: {scheme}:// is no object store")
    folder = mirrored(url)
    forget_lists(url)  # other processes write there, too
    there(folder)  # asked now rather than after the first volume
    return folder


def put_text(path: Path, text: str) -> None:
    """Write a text atomically, to the disk or to the store that the path stands for.

    Raises:
        ServerError: the store refuses or does not answer, or there is no such bucket.
        DataError, MissingExtraError: as `fetched`.
    """
    url = store_url(path)
    if url is None:
        write_text(path, text)
        return
    _told(url, lambda system, remote: system.pipe_file(remote, text.encode()))
    forget_lists(url)


@contextmanager
def outgoing(path: Path, *, last: str = "") -> Iterator[Path]:
    """Yield where a file or a folder is to be written; it is brought into its store when the block ends well.

    On the disk that is the path itself. For a store it is a folder of this machine, of which nothing is left in the
    end. The former content of a folder is removed from the store; who finds the file `last` in it finds it whole.

    Args:
        path: as `mirrored` names it, or of the disk.
        last: name of the file of a folder that comes last, and goes first.

    Raises:
        ServerError: the store refuses or does not answer, or there is no such bucket.
        RunError: the cache folder cannot be written to.
        DataError, MissingExtraError: as `fetched`.
    """
    url = store_url(path)
    if url is None:
        yield path
        return
    folder = _own_folder()
    try:
        yield folder / path.name
        _send(folder / path.name, path, url, last)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _own_folder() -> Path:
    root = cache_folder() / "sending"
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)  # images of patients
        for left in root.iterdir():
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > _LEFT_S:
                    shutil.rmtree(left, ignore_errors=True)
        return Path(tempfile.mkdtemp(dir=root))
    except OSError as error:
        raise RunError(f"cache folder {root} cannot be written to ({error.strerror})") from None


def _send(written: Path, path: Path, url: str, last: str) -> None:
    try:
        if written.is_file():
            _put(written, url)
        else:
            if there(path):
                _removed(f"{url}/{last}")
                _removed(url)
            files = [file for file in written.rglob("*") if file.is_file()]
            for file in sorted(files, key=lambda file: (file == written / last, file)):
                _put(file, f"{url}/{file.relative_to(written).as_posix()}")
    finally:
        forget_lists(url)
    shutil.rmtree(path, ignore_errors=True)  # an older one that was read
    path.unlink(missing_ok=True)


def _put(file: Path, url: str) -> None:
    _told(url, lambda system, remote: system.put_file(str(file), remote))


def _removed(url: str) -> None:
    with suppress(DataNotFoundError):
        asked(url, lambda system, remote: system.rm(remote, recursive=True))


def _told(url: str, tell: "Callable[[AbstractFileSystem, str], Any]") -> None:
    try:
        asked(url, tell)
    except DataNotFoundError:
        raise ServerError(f"{url}: the store has no such bucket, or keeps it to itself") from None
