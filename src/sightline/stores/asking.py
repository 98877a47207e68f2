"""Asking a store, again where it does not answer; what its library raises becomes one clear line."""

import errno
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from sightline.errors import DataError, DataNotFoundError, MissingExtraError, ServerError, SightlineError
from sightline.urls import without_secrets

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_T = TypeVar("_T")
WAITS_S = (0.5, 2.0, 8.0)  # between one try and the next
_HERE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENAMETOOLONG)  # the disk's fault and not the store's


def asked(url: str, ask: "Callable[[AbstractFileSystem, str], _T]") -> _T:
    """Return what a store answers.

    Args:
        url: what is asked about.
        ask: asks, given the file system and the path in it.

    Raises:
        DataNotFoundError: it is not there.
        ServerError: the store refuses, or does not answer after several tries.
        DataError: there is no such kind of store, or the disk is full.
        MissingExtraError: fsspec, or the package for this kind of store, is not installed.
    """
    system, path = _opened(url)
    waits = list(WAITS_S)
    while True:
        try:
            return ask(system, path)
        except SightlineError:
            raise
        except FileNotFoundError:
            raise DataNotFoundError(f"{url}: the store has no such file") from None
        except PermissionError as error:
            raise ServerError(f"{url}: the store refuses ({_words(error)})") from None
        except Exception as error:  # each store's library raises kinds of its own
            if isinstance(error, OSError) and error.errno in _HERE:
                raise DataError(f"{url}: cannot be kept in the cache folder ({error.strerror})") from None
            if not waits:
                tries = len(WAITS_S) + 1
                raise ServerError(f"{url}: no answer from the store in {tries} tries ({_words(error)})") from None
            time.sleep(waits.pop(0))


def _opened(url: str) -> "tuple[AbstractFileSystem, str]":
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtraError(f"{url}: a store needs the extra 'store': pip install 'sightline[store]'") from None
    scheme = url.partition(":")[0]
    try:
        opened: tuple[Any, str] = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:  # says which
        raise MissingExtraError(f"{url}: {scheme}:// needs one more package ({_words(error)})") from None
    except ValueError as error:
        raise DataError(f"{url}: no store is known as {scheme}:// ({_words(error)})") from None
    return opened


def _words(error: BaseException) -> str:
    """Return kind and words of an error on one line."""
    words = " ".join(without_secrets(str(error)).split())
    return f"{type(error).__name__}: {words[:200]}" if words else type(error).__name__
