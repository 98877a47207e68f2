"""Settings as plain values: what a file can hold."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any, ClassVar

from sightline.urls import url_of


class Family:
    """Base of settings of which there are several kinds, each a dataclass told by its field `method`.

    A field that is annotated with a direct child of `Family` takes any of that child's children.

    Attributes:
        method: name of the kind.
        default: name of the kind that is meant where none is given.
    """

    method: str
    default: ClassVar[str]

    @classmethod
    def kinds(cls) -> dict[str, type[Any]]:
        """All kinds by their method, in the order in which they were defined."""
        return {kind.method: kind for kind in cls.__subclasses__()}


def to_plain(value: Any) -> Any:  # noqa: ANN401 - any settings value
    """Turn settings into dicts, lists and scalars.

    Raises:
        TypeError: a value that no settings file could hold.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_plain(getattr(value, item.name)) for item in fields(value) if item.init}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, PurePath):
        return url_of(value) or value.as_posix()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a setting cannot be a {type(value).__name__}")
