from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any

import pytest

from sightline.plain import to_plain


@dataclass(frozen=True)
class Inner:
    path: Path = Path("a/b")
    sides: tuple[float, ...] = (0.5, 2.0)


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    none: Inner | None = None
    options: dict[str, Any] = field(default_factory=lambda: {"deep": {"x": [1, (2, "3")]}, "flag": True})
    derived: int = field(default=7, init=False)


def test_settings_become_dicts_lists_and_scalars() -> None:
    assert to_plain(Outer()) == {
        "inner": {"path": "a/b", "sides": [0.5, 2.0]},
        "none": None,
        "options": {"deep": {"x": [1, [2, "3"]]}, "flag": True},
    }


def test_a_path_is_written_with_slashes() -> None:
    assert to_plain([PureWindowsPath("a\\b"), PurePosixPath("a/b")]) == ["a/b", "a/b"]


def test_any_mapping_has_words_for_keys() -> None:
    assert to_plain(MappingProxyType({1: "a"})) == {"1": "a"}


@pytest.mark.parametrize("value", [object(), {1, 2}, Inner, b"bytes", {"deep": [1j]}])
def test_what_no_file_could_hold_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="a setting cannot be a "):
        to_plain(value)
