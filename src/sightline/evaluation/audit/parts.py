"""The parts of an audit by name, in the order of the verdict page; each is imported when it is wanted."""

import importlib
from collections.abc import Sequence

from sightline.errors import SettingsError
from sightline.evaluation.audit.part import Part

_PARTS = {  # name: module of this package and class
    "performance": ("performance", "Performance"),
    "looking": ("looking", "Looking"),
    "outside": ("outside", "Outside"),
    "inside": ("inside", "Inside"),
    "shortcuts": ("shortcuts", "Shortcuts"),
    "agreement": ("agreement", "Agreement"),
    "trust": ("trust", "Trust"),
    "strategies": ("strategies", "Strategies"),
}


def part_names() -> tuple[str, ...]:
    """Names of all parts, in order."""
    return tuple(_PARTS)


def default_parts(names: Sequence[str] = ()) -> tuple[Part, ...]:
    """Make parts with their default options.

    Args:
        names: which; all where none is named. They come in the order of the page.

    Raises:
        SettingsError: there is no such part.
    """
    for name in names:
        if name not in _PARTS:
            raise SettingsError(f"there is no part {name!r} of an audit; there are {', '.join(_PARTS)}")
    wanted = [name for name in _PARTS if not names or name in names]
    return tuple(_made(*_PARTS[name]) for name in wanted)


def _made(module: str, kind: str) -> Part:
    found: Part = getattr(importlib.import_module(f"sightline.evaluation.audit.{module}"), kind)()
    return found
