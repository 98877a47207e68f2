"""Paths that mean the same to a process that runs in another folder."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")


def absolute(value: Value) -> Value:
    """Return a value whose paths are absolute, those in its fields, items and attributes, too."""
    found: Any = _absolute(value)
    return found  # type: ignore[no-any-return]  # of the same type


def _absolute(value: Any) -> Any:  # noqa: ANN401 - of any type
    if isinstance(value, Path):
        return value.absolute()
    if isinstance(value, tuple | list) and type(value) in (tuple, list):
        return type(value)(map(_absolute, value))
    if isinstance(value, Mapping):
        return {key: _absolute(item) for key, item in value.items()}
    if isinstance(value, Namespace):
        return Namespace(**_absolute(vars(value)))
    if is_dataclass(value) and not isinstance(value, type):
        before = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        after = {name: _absolute(item) for name, item in before.items()}
        changed = {name: item for name, item in after.items() if item != before[name]}
        return replace(value, **changed) if changed else value
    return value
