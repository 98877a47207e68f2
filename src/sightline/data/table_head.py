"""What `cohort.yaml` says of the table beside it."""

import math
import reprlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import yaml

from sightline.data.cohort import Task, did_you_mean
from sightline.errors import DataError
from sightline.yaml12 import ShallowLoader

_KEYS = ("task", "classes", "value_range", "units")


@dataclass(frozen=True)
class Head:
    """What `cohort.yaml` says."""

    task: Task | None = None
    classes: tuple[str, ...] = ()
    value_range: tuple[float, float] | None = None
    units: str = ""


def read_head(path: Path) -> Head:
    """Read it; a file that is not there says nothing.

    Raises:
        DataError: it cannot be used.
    """
    if not path.is_file():
        return Head()
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), ShallowLoader) or {}
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:  # the latter of a date that is none
        raise DataError(f"{path.name}: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise DataError(f"{path.name} must hold keys such as `task: multiclass`, got {type(value).__name__}")
    unknown = [f"unknown key {key!r}{did_you_mean(str(key), _KEYS)}" for key in value if key not in _KEYS]
    if unknown:
        raise DataError(f"{path.name}: {'; '.join(unknown)} (keys: {', '.join(_KEYS)})")
    task, classes, limits = value.get("task"), value.get("classes") or [], value.get("value_range")
    if task is not None and task not in get_args(Task):
        raise DataError(f"{path.name}: task must be one of {', '.join(get_args(Task))}, got {reprlib.repr(task)}")
    if not isinstance(classes, list) or not all(isinstance(name, str) and name for name in classes):
        got = reprlib.repr(classes)
        raise DataError(f"{path.name}: classes must be a list of names (in quotes if like `no` or `1`), got {got}")
    if len(set(classes)) < len(classes):
        raise DataError(f"{path.name}: class {twice(classes)[0]!r} is there twice")
    if limits is not None and not _is_range(limits):
        got = reprlib.repr(limits)
        raise DataError(f"{path.name}: value_range must be two growing numbers [black, white], got {got}")
    units = value.get("units") or ""
    if not isinstance(units, str | int | float):
        raise DataError(f"{path.name}: units must be a word such as HU, got {reprlib.repr(units)}")
    return Head(task, tuple(classes), (float(limits[0]), float(limits[1])) if limits else None, str(units))


def _is_range(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    try:
        return all(isinstance(v, int | float) and math.isfinite(v) for v in value) and value[0] < value[1]
    except OverflowError:  # hundreds of digits
        return False


def twice(names: Sequence[str]) -> list[str]:
    """Return the names that are there more than once."""
    return [name for name, count in Counter(names).items() if count > 1]
