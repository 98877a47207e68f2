"""What a format needs beside the core packages."""

import importlib
from collections.abc import Sequence
from types import ModuleType

from sightline.errors import MissingExtraError


def need(packages: Sequence[str], what: str) -> tuple[ModuleType, ...]:
    """Import packages of the extra `export`.

    Raises:
        MissingExtraError: one is not installed.
    """
    found, missing = [], []
    for name in packages:
        try:
            found.append(importlib.import_module(name))
        except ImportError:
            missing.append(name)
    if missing:
        raise MissingExtraError(
            f"{what} needs {', '.join(missing)}; install sightline[export], or pip install {' '.join(missing)}"
        )
    return tuple(found)
