"""Full disk, unreadable file, other locale, time zone or clock: one clear line, and nothing lost or half written."""

import errno
import locale
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightline.cli.main import main


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """Two classes of four films."""
    generator = np.random.default_rng(0)
    for number in range(8):
        file = tmp_path / "download" / ("ill", "well")[number % 2] / f"p{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (8, 8), dtype=np.uint8)).save(file)
    return tmp_path / "download"


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def prepare(download: Path, out: Path) -> list[str]:
    return ["prepare", "from", "class_folders", str(download), "--out", str(out), "-q"]


@pytest.mark.parametrize("free", [0, 1, 2])
def test_on_a_full_disk_nothing_is_half_written_and_the_same_command_goes_on(
    download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], free: int
) -> None:
    assert main(prepare(download, tmp_path / "whole")) == 0
    whole, out = contents(tmp_path / "whole"), tmp_path / "out"
    write, left = Path.write_text, iter(range(free))

    def full(path: Path, text: str, **options: Any) -> int:
        if next(left, None) is None:
            write(path, text[: len(text) // 2], **options)
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, text, **options)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        assert main(prepare(download, out)) == 1
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("error: OSError: [Errno 28] No space left on device")
    assert contents(out) == {name: whole[name] for name in contents(out)}  # whole files, and no `.part`
    assert len(contents(out)) == free
    assert main(prepare(download, out)) == 0
    assert contents(out) == whole


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Names of files that may not be opened; who runs the tests may be allowed everything."""
    names: set[str] = set()
    opened = Path.open

    def refuse(path: Path, *words: Any, **options: Any) -> Any:
        if path.name in names:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *words, **options)

    monkeypatch.setattr(Path, "open", refuse)
    yield names
    names.clear()


@pytest.mark.parametrize("name", ["cohort.csv", "cohort.yaml"])
def test_a_cohort_that_may_not_be_read_is_one_line(
    download: Path, tmp_path: Path, unreadable: set[str], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(prepare(download, tmp_path / "out")) == 0
    unreadable.add(name)
    capsys.readouterr()
    assert main(["prepare", "check", str(tmp_path / "out"), "-q"]) == 2
    assert capsys.readouterr().err == f"error: {name}: cannot be read: Permission denied\n"


def test_an_image_that_cannot_be_read_is_left_out_and_listed(download: Path, tmp_path: Path) -> None:
    (download / "ill" / "p0.png").unlink()
    (download / "ill" / "p0.png").symlink_to("/proc/self/mem")  # opens and cannot be read
    assert main(prepare(download, tmp_path / "out")) == 0
    assert "p0.png" in (tmp_path / "out" / "left_out.csv").read_text()
    assert "p0.png" not in (tmp_path / "out" / "cohort.csv").read_text()
    assert (tmp_path / "out" / "cohort.csv").read_text().count("\n") == 1 + 7


def test_locale_and_time_zone_change_nothing(download: Path, tmp_path: Path) -> None:
    made = []
    for number, more in enumerate(({"LC_ALL": "C.UTF-8", "TZ": "UTC"}, {"LC_ALL": "C", "TZ": "Pacific/Kiritimati"})):
        out = tmp_path / str(number)
        environment = {**os.environ, **more, "PYTHONUTF8": "0", "PYTHONWARNDEFAULTENCODING": "1"}
        command = [sys.executable, "-W", "error::EncodingWarning", "-m", "sightline.cli.main"]
        done = subprocess.run([*command, *prepare(download, out)], env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        made.append(contents(out))
    assert made[0] == made[1]


def test_a_decimal_comma_changes_nothing(download: Path, tmp_path: Path) -> None:
    before = locale.setlocale(locale.LC_ALL)
    try:
        for name in ("de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "pt_BR.UTF-8"):
            try:
                locale.setlocale(locale.LC_ALL, name)
                break
            except locale.Error:
                continue
        else:
            pytest.skip("no locale with a decimal comma is installed")
        assert main(prepare(download, tmp_path / "comma")) == 0
    finally:
        locale.setlocale(locale.LC_ALL, before)
    assert main(prepare(download, tmp_path / "point")) == 0
    assert contents(tmp_path / "comma") == contents(tmp_path / "point")


def test_a_clock_that_is_set_back_changes_nothing(
    download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert main(prepare(download, out)) == 0
    whole, now = contents(out), time.time
    for file in out.rglob("*"):
        os.utime(file, (now() + 86_400, now() + 86_400))  # written tomorrow
    (out / "cohort.csv").unlink()
    monkeypatch.setattr(time, "time", lambda: now() - 86_400)
    assert main(prepare(download, out)) == 0
    assert contents(out) == whole
