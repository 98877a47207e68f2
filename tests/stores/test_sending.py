import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.cli.main import main
from sightline.data import read_cohort
from sightline.data.readers import read_volume
from sightline.errors import RunError
from sightline.stores import mirrored, outgoing, put_text

from ..data.volumes.conftest import noise, save_nifti
from .conftest import Store

WORDS = ["--spacing", "2", "2", "2", "-q", "--json"]


def prepare(scans: Path, out: object, *words: str) -> int:
    return main(["prepare", "ct", str(scans), str(out), *WORDS, *(words or ("--jobs", "1"))])


def files_of(place: Store | Path) -> dict[str, bytes]:
    """Content of all files by name, in a store or on the disk."""
    if isinstance(place, Path):
        return {file.relative_to(place).as_posix(): file.read_bytes() for file in place.rglob("*") if file.is_file()}
    root = place.url.partition("://")[2].strip("/") + "/"
    return {name.strip("/").removeprefix(root): place.system.cat_file(name) for name in place.system.find(place.url)}


def sending_of(cache: Path) -> list[Path]:
    return list((cache.parent / "sending").iterdir())


@pytest.fixture
def told(memory: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written to the store in memory, and removed from it, in order."""
    said: list[str] = []

    def record(word: str, name: str) -> None:
        real = getattr(type(memory.system), name)

        def call(self: Any, *given: Any, **more: Any) -> Any:
            place = given[1] if name == "put_file" else given[0]
            said.append(f"{word} {place.partition('films/')[2]}")
            return real(self, *given, **more)

        monkeypatch.setattr(type(memory.system), name, call)

    record("put", "put_file")
    record("rm", "rm")
    return said


@pytest.mark.parametrize("words", [(), ("--jobs", "2")])
def test_a_store_gets_the_files_that_a_disk_would(
    s3: Store, scans: Path, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert prepare(scans, tmp_path / "here") == 0
    here = json.loads(capsys.readouterr().out)
    assert prepare(scans, s3.url, *words) == 0
    there = json.loads(capsys.readouterr().out)
    assert there.pop("out") == s3.url
    assert {**here, "out": None} == {**there, "out": None}
    assert files_of(s3) == files_of(tmp_path / "here")
    assert not [*cache.rglob("*.zarr"), *sending_of(cache)]
    cohort = read_cohort(Path(s3.url))
    for case, other in zip(cohort.cases, read_cohort(tmp_path / "here").cases, strict=True):
        assert np.array_equal(read_volume(case.image).values, read_volume(other.image).values)

    assert prepare(scans, s3.url) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 2


def test_shards_are_joined_in_a_store(s3: Store, scans: Path, tmp_path: Path) -> None:
    for shard in ("1/2", "2/2"):
        assert prepare(scans, s3.url, "--jobs", "1", "--shard", shard) == 0
    assert prepare(scans, s3.url) == 0
    assert prepare(scans, tmp_path / "here") == 0
    found = {name: content for name, content in files_of(s3).items() if "-of-2" not in name}
    assert found == files_of(tmp_path / "here")


def test_what_is_there_is_asked_for_its_heads_alone(
    memory: Store, scans: Path, cache: Path, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(scans, memory.url) == 0
    before = list(told)
    capsys.readouterr()
    assert prepare(scans, memory.url) == 0
    assert told == before
    assert json.loads(capsys.readouterr().out)["kept"] == 2
    assert {file.name for file in cache.rglob("*") if file.is_file() and "volumes" in file.parts} == {"zarr.json"}


def test_a_volume_is_named_by_its_last_file_and_unnamed_by_the_first(
    memory: Store, scans: Path, tmp_path: Path, told: list[str]
) -> None:
    assert prepare(scans, memory.url) == 0
    assert [line for line in told if "p1.zarr" in line][-1] == "put volumes/p1.zarr/zarr.json"
    read_volume(read_cohort(Path(memory.url)).cases[1].image)  # so that an older one is on this machine

    told.clear()
    save_nifti(scans / "p1.nii.gz", noise(seed=2))
    assert prepare(scans, memory.url) == 0
    volume = [line for line in told if "p1.zarr" in line]
    assert volume[:2] == ["rm volumes/p1.zarr/zarr.json", "rm volumes/p1.zarr"]
    assert volume[-1] == "put volumes/p1.zarr/zarr.json"
    assert not [line for line in told if "p0" in line]
    assert prepare(scans, tmp_path / "here") == 0
    assert files_of(memory) == files_of(tmp_path / "here")
    there, here = (read_cohort(Path(place)).cases[1].image for place in (memory.url, tmp_path / "here"))
    assert np.array_equal(read_volume(there).values, read_volume(here).values)


@pytest.mark.parametrize("calls", [1, 3, 6])
def test_what_was_stopped_while_it_was_sent_goes_on(
    memory: Store, scans: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    real, done = type(memory.system).put_file, 0

    def put(self: Any, *given: Any, **more: Any) -> Any:
        nonlocal done
        done += 1
        if done == calls:
            raise KeyboardInterrupt
        return real(self, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(type(memory.system), "put_file", put)
        assert prepare(scans, memory.url) == 130
    assert done == calls
    assert not sending_of(cache)
    assert prepare(scans, memory.url) == 0
    assert prepare(scans, tmp_path / "here") == 0
    assert files_of(memory) == files_of(tmp_path / "here")


def test_a_store_that_does_not_take_it_ends_the_command(
    s3: Store, scans: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, cache: Path
) -> None:
    del s3
    assert prepare(scans, "s3://no-such-bucket-anywhere/out") == 1
    err = capsys.readouterr().err
    assert "no such bucket" in err
    assert "Traceback" not in err
    assert not sending_of(cache)


@pytest.mark.parametrize("url", ["https://example.org/out", "http://example.org/out", "file:///tmp/out"])
def test_servers_and_disks_are_no_stores_to_write_to(
    url: str, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert prepare(scans, url) == 2
    assert "is no object store" in capsys.readouterr().err
    assert not list(tmp_path.glob("*:*"))


@pytest.mark.parametrize("url", ["s3://me:hush@bucket/out", "s3://bucket/out?X-Amz-Signature=hush"])
def test_a_secret_in_the_address_is_refused_and_not_repeated(
    url: str, scans: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(scans, url) == 2
    told = capsys.readouterr()
    assert "must not be an address with a password" in told.err
    assert "hush" not in told.out + told.err


def test_a_store_that_cannot_be_asked_is_told_before_the_work(
    scans: Path, memory: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(*_: object, **__: object) -> None:
        raise PermissionError("not yours")

    monkeypatch.setattr(type(memory.system), "ls", away)
    monkeypatch.setattr("sightline.cli.preparing.ct.progress", None)  # the work begins with it
    assert prepare(scans, memory.url) == 1
    assert "the store refuses" in capsys.readouterr().err
    assert prepare(scans, "nosuch://bucket/out") == 2
    assert "no store is known as nosuch://" in capsys.readouterr().err


def test_another_cache_folder_does_not_pass_for_the_store(
    memory: Store, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sightline.data.volumes import Preparation, plan_volumes
    from sightline.data.volumes.prepare import prepare_volume

    plan = plan_volumes(scans, mirrored(memory.url), Preparation())
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "other"))
    with pytest.raises(RunError, match="give SIGHTLINE_CACHE the same value"):
        prepare_volume(plan.jobs[0])


def test_a_text_replaces_what_is_there(memory: Store, tmp_path: Path) -> None:
    for text in ("one", "zwei \N{BULLET}"):
        put_text(mirrored(f"{memory.url}/a.csv"), text)
        put_text(tmp_path / "a.csv", text)
        assert memory.system.cat_file(f"{memory.url}/a.csv").decode() == text == (tmp_path / "a.csv").read_text("utf-8")


def test_what_fails_is_not_sent(memory: Store, cache: Path) -> None:
    def fail() -> None:
        with outgoing(mirrored(f"{memory.url}/a.txt")) as file:
            file.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not memory.system.exists(f"{memory.url}/a.txt")
    assert not sending_of(cache)
