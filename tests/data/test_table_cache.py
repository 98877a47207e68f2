import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sightline.data import table_cache
from sightline.data.reading import read_cohort
from sightline.errors import DataError

READ = "import sys; from sightline.data import {m}; {m}.LEAST_BYTES = {m}._SETTLED_NS = 0; ".format(m="table_cache")
TELL = "from sightline.data import read_cohort; print(hash(repr(list(read_cohort(sys.argv[1]).cases))))"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep tables of any length and age, in this folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(table_cache, "LEAST_BYTES", 0)
    monkeypatch.setattr(table_cache, "_SETTLED_NS", 0)
    return tmp_path / "cache" / "sightline" / "cohorts"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = "".join(f"{n}.png,{'well' if n % 2 else 'ill'},p{n // 3},train,{n % 7}\n" for n in range(50))
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "cohort.csv").write_text(f"image,label,patient,split,age\n{rows}")
    return tmp_path / "films" / "cohort.csv"


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.cases"))


def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Note each time that a table itself is read."""
    from sightline.data import table as module

    seen: list[Path] = []
    read = module.table_rows

    def noting(path: Path) -> object:
        seen.append(path)
        return read(path)

    monkeypatch.setattr(module, "table_rows", noting)
    return seen


@pytest.mark.parametrize(
    "head",
    ["", "classes: [ill, well]\nunits: HU\nvalue_range: [-1000.5, 0.1]\n", "task: binary\nclasses: [well, ill]\n"],
)
def test_what_is_kept_is_what_was_read_and_the_table_is_not_read_again(
    kept: Path, table: Path, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    monkeypatch.setattr(table_cache, "LEAST_BYTES", 2**20)
    if head:
        (table.parent / "cohort.yaml").write_text(head)
    plain = read_cohort(table)
    assert not kept.exists()
    monkeypatch.setattr(table_cache, "LEAST_BYTES", 0)
    first = read_cohort(table)
    (file,) = files(kept)
    assert kept.stat().st_mode & 0o077 == 0
    seen = parsed(monkeypatch)
    again = read_cohort(table.parent)
    assert seen == []
    assert plain == first == again
    assert list(plain.cases) == list(again.cases)
    assert file.stat().st_size < 6 * table.stat().st_size  # of fifty rows the names of arrays are most


def test_what_belongs_to_the_table_before_it_changed_is_made_anew(kept: Path, table: Path) -> None:
    read_cohort(table)
    table.write_text(table.read_text().replace("49.png", "94.png"))
    changed = read_cohort(table)
    assert changed.cases[49].id == "94.png"
    (table.parent / "cohort.yaml").write_text("units: HU")
    assert read_cohort(table).units == "HU"
    (table.parent / "cohort.yaml").unlink()
    assert read_cohort(table) == changed
    assert len(files(kept)) == 1


def _cut(content: bytes) -> bytes:
    return content[:-7]


def _flip(content: bytes) -> bytes:
    return content[:100] + bytes([content[100] ^ 1]) + content[101:]


def _empty(content: bytes) -> bytes:
    return b""


def _zeros(content: bytes) -> bytes:
    return bytes(len(content))


def _other_file(content: bytes) -> bytes:
    return b"Dear Sir or Madam"


@pytest.mark.parametrize("damage", [_cut, _flip, _empty, _zeros, _other_file])
def test_a_damaged_file_is_made_anew(
    kept: Path, table: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes]
) -> None:
    expected = read_cohort(table)
    (file,) = files(kept)
    whole = file.read_bytes()
    file.unlink()
    file.write_bytes(damage(whole))  # not into the file that `expected` looks at
    seen = parsed(monkeypatch)
    assert read_cohort(table) == expected
    assert seen
    assert file.read_bytes() == whole


def test_a_bad_table_is_refused_alike_and_nothing_is_kept(kept: Path, table: Path) -> None:
    table.write_text(table.read_text().replace("\n7.png", "\n6.png").replace("9.png,well", "9.png,wel"))
    (table.parent / "cohort.yaml").write_text("classes: [ill, well]")
    message = r"^cohort.csv line 11: label 'wel' .*'well'\? \(and 5 more\)$"
    for _ in range(2):
        with pytest.raises(DataError, match=message):
            read_cohort(table)
    assert list(kept.glob("*.cases")) == []
    assert not list(kept.glob(".*"))


def test_without_a_folder_to_write_to_all_stays_in_memory(
    kept: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_cohort(table)
    (kept.parent / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept.parent / "file"))  # a file, in which there can be no folder
    assert read_cohort(table) == expected
    assert pickle.loads(pickle.dumps(expected.cases)) == expected.cases


def test_a_disk_that_is_full_while_it_is_written_is_no_error(
    kept: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(table_cache._Writer, "_put_array", full)
    assert len(read_cohort(table).cases) == 50
    assert not [file for file in kept.iterdir() if file.suffix != ".lock"]


def test_a_table_that_changes_while_it_is_read_is_not_kept(
    kept: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = table_cache._Writer.write

    def touching(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        os.utime(table)

    monkeypatch.setattr(table_cache._Writer, "write", touching)
    assert len(read_cohort(table).cases) == 50
    assert files(kept) == []


def test_of_a_table_that_has_just_changed_nothing_is_kept(
    kept: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_cache, "_SETTLED_NS", 10**18)
    read_cohort(table)
    assert files(kept) == []


def test_cases_are_sent_as_where_they_are(kept: Path, table: Path) -> None:
    cohort = read_cohort(table)
    assert len(pickle.dumps(cohort.cases)) < 1500
    sent = pickle.dumps(cohort)
    assert pickle.loads(sent) == cohort
    files(kept)[0].unlink()
    assert pickle.loads(sent) == cohort  # read again
    table.write_text(table.read_text().replace("49.png", "94.png"))
    assert pickle.loads(sent) == cohort  # as they were
    files(kept)[0].unlink()
    with pytest.raises(DataError, match=r"cohort.csv is not as it was when its cases were sent .*; read it again"):
        pickle.loads(sent)


def test_a_spawned_process_opens_the_same_file(kept: Path, table: Path) -> None:
    cohort = read_cohort(table)
    code = "import pickle, sys; c = pickle.load(sys.stdin.buffer); print(open('/proc/self/maps').read(), c.cases[7].id)"
    found = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(cohort), check=True, capture_output=True, timeout=100
    ).stdout.decode()
    if sys.platform == "linux":
        assert str(files(kept)[0]) in found
        assert str(files(kept)[0]) in Path("/proc/self/maps").read_text()
    assert found.split()[-1] == "7.png"


def test_processes_that_begin_at_once_make_it_once(kept: Path, table: Path) -> None:
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", READ + TELL, str(table)], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    told = {process.communicate(timeout=200)[0] for process in started}
    assert len(told) == 1
    assert all(process.returncode == 0 for process in started)
    assert len(files(kept)) == 1
