import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sightline.errors import DataError, DataNotFoundError, MissingExtraError, ServerError, SettingsError
from sightline.stores import fetched, fetching, mirrored, refreshed, room, there, version

from .conftest import Store


class Failing:
    """A method of a file system that fails some times and then does what it should."""

    def __init__(self, right: Callable[..., object], times: int, error: Exception) -> None:
        self.right, self.left, self.error = right, times, error

    def __call__(self, *args: object, **options: object) -> object:
        if self.left:
            self.left -= 1
            raise self.error
        return self.right(*args, **options)


def files_in(folder: Path) -> set[str]:
    return {file.name for file in folder.rglob("*") if file.is_file()} - {".bytes", ".lock"}


def test_a_file_of_no_store_is_left_alone(tmp_path: Path) -> None:
    assert fetched(tmp_path / "none.png") == tmp_path / "none.png"
    assert not there(tmp_path / "none.png")
    (tmp_path / "a.png").write_bytes(b"a")
    assert there(tmp_path / "a.png")
    assert version(tmp_path / "a.png") == fetching.Version(1, (tmp_path / "a.png").stat().st_mtime_ns)
    assert version(tmp_path) is None


def test_a_file_is_fetched_once(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mirrored(memory.write("a b.png", b"pixels"))
    assert not path.exists()
    assert fetched(path) == path
    assert path.read_bytes() == b"pixels"
    monkeypatch.setattr(fetching, "asked", None)
    assert fetched(path).read_bytes() == b"pixels"


def test_the_cache_is_for_its_owner_alone(memory: Store, cache: Path) -> None:
    fetched(mirrored(memory.write("a.png", b"patient")))
    assert cache.stat().st_mode & 0o077 == 0


def test_a_missing_file_is_named_by_its_address(memory: Store) -> None:
    memory.write("a.png", b"a")
    with pytest.raises(DataNotFoundError, match=rf"^{memory.url}/b.png: the store has no such file$"):
        fetched(mirrored(f"{memory.url}/b.png"))
    assert not there(mirrored(f"{memory.url}/b.png"))
    assert not there(mirrored(f"{memory.url}/no/folder/b.png"))
    assert version(mirrored(f"{memory.url}/b.png")) is None


def test_a_store_that_fails_three_times_is_asked_again(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    url = memory.write("a.png", b"pixels")
    failing = Failing(memory.system.get_file, 3, ConnectionError("reset"))
    monkeypatch.setattr(type(memory.system), "get_file", failing)
    assert fetched(mirrored(url)).read_bytes() == b"pixels"
    assert failing.left == 0


def test_a_store_that_does_not_answer_ends_it_in_one_line(
    memory: Store, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    url = memory.write("a.png", b"pixels")
    error = ConnectionError("no route\nto https://me:hush@host/a.png?sig=hush")
    monkeypatch.setattr(type(memory.system), "get_file", Failing(memory.system.get_file, 4, error))
    with pytest.raises(ServerError, match=r"a.png: no answer from the store in 4 tries") as told:
        fetched(mirrored(url))
    assert "hush" not in str(told.value)
    assert "\n" not in str(told.value)
    assert files_in(cache) == set()


def test_what_is_refused_is_not_asked_again(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    url = memory.write("a.png", b"pixels")
    monkeypatch.setattr(type(memory.system), "info", Failing(memory.system.info, 1, PermissionError("Forbidden")))
    with pytest.raises(ServerError, match=r"a.png: the store refuses \(PermissionError: Forbidden\)"):
        fetched(mirrored(url))


def test_a_download_that_is_cut_short_is_not_kept(memory: Store, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    url = memory.write("a.png", b"pixels")

    def cut(_: object, path: str, to: str) -> None:
        Path(to).write_bytes(b"pix")

    monkeypatch.setattr(type(memory.system), "get_file", cut)
    with pytest.raises(ServerError, match="3 of 6 bytes came"):
        fetched(mirrored(url))
    assert files_in(cache) == set()


def test_a_killed_download_leaves_nothing_under_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "store" / "a.png"
    source.parent.mkdir()
    source.write_bytes(b"pixels")
    url = f"file://{source}"
    program = f"""
import time
from pathlib import Path
import fsspec
from sightline.stores import fetched, mirrored
def slow(self, path, to, **_):
    Path(to).write_bytes(b"pix")
    print("half", flush=True)
    time.sleep(600)
fsspec.get_filesystem_class("file").get_file = slow
fetched(mirrored({url!r}))
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
    path = mirrored(url)
    assert not path.exists()
    assert [file.suffix for file in path.parent.iterdir()] == [".part"]
    assert fetched(path).read_bytes() == b"pixels"
    (left,) = path.parent.glob(".*.part")
    monkeypatch.setenv("SIGHTLINE_CACHE_GIB", "1e-9")
    for unfinished_s, stays in ((60.0, True), (0.0, False)):
        monkeypatch.setattr(room, "_UNFINISHED_S", unfinished_s)
        os.utime(left, (0, 0))
        path.unlink(missing_ok=True)
        fetched(path)
        assert left.exists() == stays


def test_a_folder_is_fetched_with_all_in_it(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.write("scan.zarr/zarr.json", b"{}")
    memory.write("scan.zarr/ct/c/0", b"chunk")
    scan = mirrored(f"{memory.url}/scan.zarr")
    assert there(scan)
    assert version(scan) is None
    assert (fetched(scan) / "ct" / "c" / "0").read_bytes() == b"chunk"
    (scan / "ct" / "c" / "0").unlink()
    assert (fetched(scan) / "ct" / "c" / "0").read_bytes() == b"chunk"


def test_a_changed_file_is_brought_anew_where_that_is_asked(memory: Store) -> None:
    path = mirrored(memory.write("cohort.csv", b"old"))
    assert refreshed(path)
    before = path.stat()
    assert refreshed(path)
    assert path.stat().st_ino == before.st_ino
    memory.write("cohort.csv", b"newer")
    assert fetched(path).read_bytes() == b"old"
    assert refreshed(path)
    assert path.read_bytes() == b"newer"
    memory.remove("cohort.csv")
    assert not refreshed(path)
    assert not path.exists()


def test_an_image_that_was_replaced_is_noticed_when_it_is_looked_for(
    memory: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fetched(mirrored(memory.write("a.png", b"old")))
    assert there(path)
    assert path.exists()
    memory.write("a.png", b"newer")
    monkeypatch.setattr(fetching, "_lists", {})
    assert there(path)
    assert fetched(path).read_bytes() == b"newer"


def test_a_file_keeps_its_version_when_it_is_fetched(memory: Store) -> None:
    path = mirrored(memory.write("a.png", b"pixels"))
    before = version(path)
    assert before is not None
    assert before.size == 6
    assert version(fetched(path)) == before
    path.unlink()
    assert version(fetched(path)) == before


def test_one_list_serves_a_folder(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        memory.write(f"{number}.png", b"a")
    lists = []
    right = type(memory.system).ls
    monkeypatch.setattr(
        type(memory.system), "ls", lambda *args, **options: lists.append(args) or right(*args, **options)
    )
    assert all(there(mirrored(f"{memory.url}/{number}.png")) for number in range(5))
    assert len(lists) == 1


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"nowhere://b/x: no store is known as nowhere://"):
        fetched(mirrored("nowhere://b/x"))
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingExtraError, match=r"gs://b/x: gs:// needs one more package .*gcsfs"):
        fetched(mirrored("gs://b/x"))
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"needs the extra 'store': pip install 'sightline\[store\]'"):
        fetched(mirrored("s3://b/x"))


def test_a_cache_that_cannot_be_written_to_is_the_users_to_mend(
    memory: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "file"))
    with pytest.raises(SettingsError, match="cannot be written to"):
        fetched(mirrored(memory.write("a.png", b"a")))
