"""Addresses in a store, such as `s3://bucket/folder`, in places that take paths."""

import re
from pathlib import PurePath

_URL = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.DOTALL)  # a scheme of two letters or more: a drive has one
_SECRET = re.compile(r"//[^/]*:[^/]*@|\?")


def url_of(path: PurePath | str) -> str | None:
    """Return the address that a path means, None for an ordinary path; a `Path` has put its slashes together."""
    found = _URL.fullmatch(path if isinstance(path, str) else path.as_posix())
    if found is None:
        return None
    scheme, rest = found.groups()
    return f"{scheme}://{'/' * (scheme == 'file')}{rest}"


def holds_secret(url: str) -> bool:
    """Whether an address holds a password, or a query, as those have that are signed."""
    return _SECRET.search(url) is not None


def without_secrets(text: str) -> str:
    """Return the words of others with what may be secret in their addresses left out."""
    return re.sub(r"\?[^\s'\"]+", "?...", re.sub(r"//[^/\s]*@", "//...@", text))
