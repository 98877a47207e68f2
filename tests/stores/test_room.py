import multiprocessing
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sightline.errors import SettingsError
from sightline.stores import fetched, mirrored, room

from .conftest import Store

KIB = 2**10


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """A cache of ten KiB."""
    monkeypatch.setenv("SIGHTLINE_CACHE_GIB", str(10 * KIB / 2**30))
    return 10 * KIB


def held(cache: Path) -> int:
    return sum(
        file.stat().st_size for file in cache.rglob("*") if file.is_file() and file.name not in (".bytes", ".lock")
    )


def test_the_limit_holds_and_what_was_removed_comes_back(memory: Store, small: int, cache: Path) -> None:
    contents = {memory.write(f"{number}.png", bytes([number]) * KIB): bytes([number]) * KIB for number in range(30)}
    for _ in range(2):
        for url, content in contents.items():
            assert fetched(mirrored(url)).read_bytes() == content
            assert held(cache) <= small
    assert held(cache) >= 0.8 * small


def test_what_was_used_last_stays(memory: Store, small: int) -> None:
    paths = [mirrored(memory.write(f"{number}.png", b"x" * KIB)) for number in range(12)]
    for age, path in enumerate(paths[:10]):
        fetched(path)
        os.utime(path, ns=(time.time_ns() - (100 - age) * 10**9, path.stat().st_mtime_ns))
    fetched(paths[0])
    fetched(paths[10])
    assert paths[0].exists()
    assert paths[9].exists()
    assert not paths[1].exists()


def test_what_was_used_just_now_is_spared(memory: Store, small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_KEPT_S", 60.0)
    paths = [fetched(mirrored(memory.write(f"{number}.png", b"x" * KIB))) for number in range(12)]
    assert all(path.exists() for path in paths)


def test_a_file_larger_than_the_limit_is_fetched_all_the_same(memory: Store, small: int) -> None:
    assert len(fetched(mirrored(memory.write("a.png", b"x" * 20 * KIB))).read_bytes()) == 20 * KIB


def test_a_disk_that_is_nearly_full_counts_as_a_limit(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fetched(mirrored(memory.write("a.png", b"x" * KIB)))
    usage = type("Usage", (), {"free": KIB})
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: usage)
    fetched(mirrored(memory.write("b.png", b"x" * KIB)))
    assert not first.exists()


def _fetch_all(urls: list[str]) -> None:
    for url in urls:
        with suppress(FileNotFoundError):  # nothing is spared here, so another may have removed it already
            fetched(mirrored(url)).read_bytes()


def test_several_processes_keep_one_limit(tmp_path: Path, small: int, cache: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    for number in range(24):
        (store / f"{number}.png").write_bytes(bytes([number]) * KIB)
    urls = [f"file://{store}/{number}.png" for number in range(24)]
    context = multiprocessing.get_context("fork")
    parts = [context.Process(target=_fetch_all, args=(urls[part:] + urls[:part],)) for part in (0, 8, 16)]
    for part in parts:
        part.start()
    for part in parts:
        part.join()
        assert part.exitcode == 0
    assert held(cache) <= small


@pytest.mark.parametrize("text", ["much", "0", "-1", "nan", "inf"])
def test_a_limit_must_be_a_number(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_CACHE_GIB", text)
    with pytest.raises(SettingsError, match="SIGHTLINE_CACHE_GIB must be a number above 0"):
        room.limit_bytes()


def test_the_usual_limit_is_fifty_gib() -> None:
    assert room.limit_bytes() == 50 * 2**30
