from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import pytest

from sightline.machines import absolute


@dataclass(frozen=True)
class Inner:
    file: Path
    number: int = 3


@dataclass(frozen=True)
class Outer:
    inner: Inner
    more: tuple[Path | None, ...] = ()


def test_paths_become_absolute_wherever_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = absolute(Outer(Inner(Path("a.png")), (Path("b.png"), None)))
    assert made == Outer(Inner(tmp_path / "a.png"), (tmp_path / "b.png", None))
    assert absolute({"words": [Path("c")], "text": "d"}) == {"words": [tmp_path / "c"], "text": "d"}
    assert absolute(Namespace(out=Path("e"), limit=None)) == Namespace(out=tmp_path / "e", limit=None)


def test_what_has_no_path_stays_the_same() -> None:
    held = Outer(Inner(Path("/a")))
    assert absolute(held) is held
    assert absolute(Inner) is Inner
