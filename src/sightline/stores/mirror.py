"""Which file of this machine stands for which file of a store.

`s3://bucket/folder/film.png` is `stores/s3/bucket/folder/film.png` in Sightline's cache folder: `SIGHTLINE_CACHE` if it
is set, else `sightline` in `XDG_CACHE_HOME` or `~/.cache`.
"""

import os
import posixpath
from functools import lru_cache
from pathlib import Path

from sightline.errors import DataError, SettingsError
from sightline.urls import holds_secret, url_of


def cache_folder() -> Path:
    """Return Sightline's cache folder."""
    return _folder(os.environ.get("SIGHTLINE_CACHE", ""), os.environ.get("XDG_CACHE_HOME", ""))


def stores_folder() -> Path:
    """Return the folder that mirrors stores."""
    return cache_folder() / "stores"


def mirrored(url: str) -> Path:
    """Return the file or folder of this machine that stands for an address, whether or not it is there yet.

    Raises:
        SettingsError: the address holds a secret.
        DataError: it names no place.
    """
    address_checked(Path(url))
    scheme, _, rest = url.partition("://")
    place = posixpath.normpath(rest.strip("/"))
    if place in ("", ".", "..") or place.startswith("../"):
        raise DataError(f"{url} names no folder; write it as {scheme}://bucket/folder")
    return stores_folder() / scheme / place


def store_url(path: Path) -> str | None:
    """Return the address of a file that `mirrored` named; None for any other."""
    root, text = f"{stores_folder()}{os.sep}", str(path)
    if not text.startswith(root):
        return None
    scheme, _, rest = text[len(root) :].replace(os.sep, "/").partition("/")
    return f"{scheme}://{'/' * (scheme == 'file')}{rest}" if rest else None


def address_checked(path: Path) -> Path:
    """Return a path that holds no secret; settings and tables that name it are kept.

    Raises:
        SettingsError: it is an address with a password or a query. It is not repeated.
    """
    url = url_of(path)
    if url is not None and holds_secret(url):
        raise SettingsError(
            "cohort must not be an address with a password or a query ('?...'), which runs and tables would keep; "
            "leave them where the store's own programs look for them, such as its profiles or the environment"
        )
    return path


@lru_cache
def _folder(own: str, shared: str) -> Path:
    base = Path(own) if own else (Path(shared) if shared else Path.home() / ".cache") / "sightline"
    return base.absolute()
