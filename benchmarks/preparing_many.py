"""Many small CT volumes through `sightline prepare ct`: one process, two, a Dask cluster, and one whose workers die.

    python benchmarks/preparing_many.py --files 2000 --output benchmarks/results/preparing_many_NAME.json

The same files are prepared in each way, into a folder of its own: by the command with `--jobs 1` and `--jobs 2`, and
with `--cluster` on a local Dask scheduler with two workers, then with four, one of which, drawn by the seed, is killed
(SIGKILL) every `--period` seconds, and replaced. What comes out is compared with what the first way made:
the tables byte for byte, every volume voxel by voxel. Time is that of the whole command, its start included, by the
wall; that of a start without work is told beside it.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import distributed
import nibabel
import numpy as np

from sightline.data.volumes import read_array
from sightline.runs import write_json

SHAPE = (24, 48, 48)


def write_sources(folder: Path, count: int) -> None:
    """Write bodies of two lungs in noise, no two alike, and three files that are no volumes."""
    z, y, x = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in SHAPE)]
    body = np.where(np.broadcast_to((x / 0.85) ** 2 + (y / 0.65) ** 2 < 1, SHAPE), 40, -1000).astype(np.int16)
    for side in (-0.4, 0.4):
        body[((x - side) / 0.3) ** 2 + (y / 0.45) ** 2 + (z / 0.8) ** 2 < 1] = -850
    folder.mkdir(parents=True)
    for index in range(count):
        noise = np.random.default_rng(index).normal(0, 25, SHAPE).astype(np.int16)
        affine = np.diag([-1.5, -1.5, 3.0, 1.0])
        nibabel.Nifti1Image((body + noise).T, affine).to_filename(folder / f"scan{index:05d}.nii.gz")
    for index in range(3):
        (folder / f"torn{index}.nii.gz").write_bytes((folder / "scan00000.nii.gz").read_bytes()[: 400 + index])


def prepare(source: Path, out: Path, *words: str) -> float:
    """Prepare by the command; seconds."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "sightline.cli.main", "prepare", "ct", str(source), str(out), "--spacing"]
    done = subprocess.run([*command, "3", "1.5", "1.5", "-q", *words], check=False, capture_output=True)
    if done.returncode:
        raise SystemExit(f"prepare ct {' '.join(words)} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return time.perf_counter() - start


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """Start a scheduler and workers of one thread each, on loopback."""
    with distributed.LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        yield local


@contextmanager
def killing(local: Any, count: int, period: float, seed: int) -> Iterator[list[int]]:  # noqa: ANN401 - untyped
    """Kill a worker that the scheduler knows every so often, and see that there are as many again; whom it killed."""
    drawn, killed, ended = random.Random(seed), [], threading.Event()

    def kill() -> None:
        while not ended.wait(period):
            known = sorted(worker.pid for worker in dict(local.scheduler.workers).values())
            if known:
                killed.append(drawn.choice(known))
                with suppress(ProcessLookupError):  # dead already, and the scheduler does not know yet
                    os.kill(killed[-1], signal.SIGKILL)
            local.scale(count)  # a nanny whose worker dies as it starts gives up; somebody has to start another

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def differences(first: Path, other: Path) -> list[str]:
    """What is not the same in two prepared folders."""
    tables = ("volumes.csv", "broken.csv")
    found = [name for name in tables if (first / name).read_bytes() != (other / name).read_bytes()]
    names = [sorted(path.name for path in (folder / "volumes").iterdir()) for folder in (first, other)]
    found += sorted(set(names[0]) ^ set(names[1]))
    for name in set(names[0]) & set(names[1]):
        voxels = [read_array(folder / "volumes" / name, "ct") for folder in (first, other)]
        if not np.array_equal(*voxels):
            found.append(f"{name}: voxels")
    return found


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--period", type=float, default=3.0, help="seconds between two kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", nargs="+", default=["jobs 1", "jobs 2", "dask 2", "dask 4, killed"])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_sources(place / "few", 1)
        write_sources(place / "scans", options.files)
        idle = prepare(place / "few", place / "nothing", "--jobs", "1")
        print(f"start of the command with one file: {idle:.1f} s; {os.cpu_count()} cores\n", flush=True)
        print("| way | files | s | files/s | kills | differences |\n|---|---|---|---|---|---|", flush=True)
        first = None
        for way in options.ways:
            out, kills = place / way.replace(", ", "-").replace(" ", "-"), 0
            kind, count = way.split(",")[0].split()
            if kind == "jobs":
                taken = prepare(place / "scans", out, "--jobs", count)
            else:
                period = options.period if "killed" in way else 1e6
                with cluster(int(count)) as local, killing(local, int(count), period, options.seed) as killed:
                    taken = prepare(place / "scans", out, "--cluster", local.scheduler_address)
                kills = len(killed)
            first = first or out
            unlike = differences(first, out)
            rate = options.files / (taken - idle)
            print(f"| {way} | {options.files} | {taken:.1f} | {rate:.1f} | {kills} | {len(unlike)} |", flush=True)
            rows.append({"way": way, "seconds": taken, "files_per_s": rate, "kills": kills, "differences": unlike[:20]})
    if options.output:
        head = {"files": options.files, "shape": SHAPE, "cores": os.cpu_count(), "start_s": idle}
        write_json(options.output, {**head, "period_s": options.period, "seed": options.seed, "ways": rows})


if __name__ == "__main__":
    main()
