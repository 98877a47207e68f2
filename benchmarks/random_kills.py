"""Kill every long-running command again and again, go on each time, and compare with what it makes undisturbed.

    python benchmarks/random_kills.py --kills 200 --out benchmarks/results/random_kills_cpu_2_cores.txt

Each command is run twice undisturbed: all in which the two agree, number by number and cell by cell, must come out of
a run that was killed; where they differ (times, dates) it must be there. Then it is begun in a new folder and killed
(SIGKILL to its whole process group, workers too) at a moment drawn from the length of the undisturbed run; the same
command is given again, until it ends by itself. Every run is a fork of this process, which has imported everything and
computed nothing, so that no moment falls into imports.
"""

import argparse
import contextlib
import importlib
import os
import pkgutil
import platform
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from folder_contents import TEMPORARY, leaves
from killed_commands import Work, prepare_data, store, works

import sightline
from sightline.cli.main import main as command

_LEFT_OUT = tuple(f"sightline.{name}" for name in ("integrations", "serving", "viewer", "pacs"))


@dataclass
class Row:
    """What came of one command."""

    kills: int = 0
    runs: int = 0
    temporary: int = 0
    differences: list[str] = field(default_factory=list)


def begun(words: list[str], log: Path) -> int:
    """Run a command in a fork that leads a process group of its own; return its process."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        torch.set_num_threads(1)
        code = command([*words, "-q"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def ended(words: list[str], log: Path | None = None) -> float:
    """Run a command to its end; return the seconds that it took."""
    log = log or Path(tempfile.gettempdir()) / f"random-kills-{os.getpid()}.log"
    began = time.monotonic()
    _, status = os.waitpid(begun(words, log), 0)
    if status:
        raise RuntimeError(f"sightline {' '.join(words)}: exit {os.waitstatus_to_exitcode(status)}\n{log.read_text()}")
    return time.monotonic() - began


def killed(words: list[str], log: Path, after: float) -> int | None:
    """Run a command and kill it and its workers after so many seconds; return its exit code if it ended before."""
    child, end = begun(words, log), time.monotonic() + after
    while time.monotonic() < end:
        if (found := os.waitpid(child, os.WNOHANG))[0]:
            return os.waitstatus_to_exitcode(found[1])
        time.sleep(0.002)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:  # it leads no group yet
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return None if code == -signal.SIGKILL else code


def attack(work: Work, kills: int, place: Path, generator: np.random.Generator) -> Row:
    """Kill a command so often, and compare."""
    first, second = place / "a" / "out", place / "b" / "out"
    for folder in (first, second):
        folder.parent.mkdir(parents=True)
    length = min(ended(work.words(out), place / f"{out.parent.name}.log") for out in (first, second))
    work.fetch(first)
    work.fetch(second)
    whole, other = leaves(first), leaves(second)
    steady = {key for key in whole if key in other and whole[key] == other[key]}
    row, chain = Row(), 0
    while row.kills < kills:
        chain += 1
        out, log = place / f"k{chain}" / "out", place / f"k{chain}.log"
        out.parent.mkdir()
        code: int | None = None
        for _ in range(12):  # then to the end
            if row.kills >= kills:
                break
            code = killed(work.again(out), log, float(generator.uniform(0, length)))
            if code is not None:
                break
            row.kills += 1
        if code is None:
            code = killed(work.again(out), log, 600)
        row.runs += 1
        work.fetch(out)
        row.differences += _differences(out, whole, steady, code, log)
        row.temporary += sum(file.name.endswith(TEMPORARY) for file in out.rglob(f"*{TEMPORARY}"))
        if not row.differences:
            shutil.rmtree(out.parent)
    return row


def _differences(
    out: Path, whole: dict[tuple[str, ...], Any], steady: set[tuple[str, ...]], code: int | None, log: Path
) -> list[str]:
    if code != 0:
        return [f"exit {code}: {' '.join(log.read_text().splitlines()[-1:])} ({out})"]
    try:
        found = leaves(out)
    except Exception as error:  # an unreadable file is a finding
        return [f"unreadable: {error!r} ({out})"]
    wrong = [f"{'/'.join(key)} is missing" for key in whole if key not in found]
    wrong += [f"{'/'.join(key)} is new" for key in found if key not in whole]
    wrong += [
        f"{'/'.join(k)}: {found[k]!r}, not {whole[k]!r}" for k in sorted(steady & found.keys()) if found[k] != whole[k]
    ]
    return [f"{each} ({out})" for each in wrong]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="in all; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the moments; default: %(default)s")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these commands, by their names in the table")
    parser.add_argument("--place", type=Path, help="empty folder to work in, which is kept; default: a temporary one")
    parser.add_argument("--out", type=Path, help="also write the table here")
    given = parser.parse_args()
    for module in pkgutil.walk_packages(sightline.__path__, "sightline."):
        if not module.name.startswith(_LEFT_OUT):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)
    place = given.place or Path(tempfile.mkdtemp(prefix="random-kills-"))
    (place / "data").mkdir(parents=True)
    prepare_data(place / "data", ended)
    chosen = [work for work in works(place / "data") if not given.only or work.name in given.only]
    generator = np.random.default_rng(given.seed)
    about = f"Python {platform.python_version()}, torch {torch.__version__}, one thread; seed {given.seed}"
    lines = [f"# python benchmarks/random_kills.py --kills {given.kills}: {about}"]
    lines.append(f"{'command':<24}{'kills':>7}{'resumed runs':>14}{'differences':>13}{'unfinished files left':>23}")
    print("\n".join(lines), flush=True)
    total, wrong = 0, []
    for number, work in enumerate(chosen):
        quota = (given.kills - total) // (len(chosen) - number)
        with store(place) if "store" in work.name else contextlib.nullcontext():
            row = attack(work, quota, place / work.name.replace(" ", "-"), generator)
        total, wrong = total + row.kills, wrong + row.differences
        lines.append(f"{work.name:<24}{row.kills:>7}{row.runs:>14}{len(row.differences):>13}{row.temporary:>23}")
        print(lines[-1], *(f"    {each}" for each in row.differences[:5]), sep="\n", flush=True)
    lines.append(f"{'all':<24}{total:>7}{'':>14}{len(wrong):>13}")
    print(lines[-1])
    if given.out:
        given.out.write_text("\n".join(lines) + "\n")
    if given.place is None and not wrong:
        shutil.rmtree(place)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
