"""Maps a second of `sightline explain`: one process, two, and a Dask cluster of two workers, side by side.

    python benchmarks/explaining_many.py --cases 64 --output benchmarks/results/explaining_many_NAME.json

The same phantoms are explained in each way, into a folder of its own, by the command: as it is, with `--jobs 2`, and
with `--cluster` on a local Dask scheduler with two workers. Each process has one thread, so what comes out must be the
same byte for byte; how many files are not is told. Time is that of the whole command by the wall, less that of one
that has nothing to do. The model is untrained.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preparing_many import cluster

from sightline.cli.settings import read_settings, to_yaml
from sightline.data import read_cohort
from sightline.models import build_model, save_weights
from sightline.runs import RunFolder, write_json, write_text
from sightline.training import TrainSettings


def sightline(*words: object) -> float:
    """Run a command in a process of one thread; seconds."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "sightline.cli.main", *map(str, words), "-q"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=False, capture_output=True, env=env)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return time.perf_counter() - start


def make_run(folder: Path, cohort: Path, model: str, size: int) -> None:
    """Make a run of an untrained model."""
    words = [f"data.cohort={cohort}", f"model.name={model}", f"data.preprocessing.size={size}", "device=cpu"]
    settings: TrainSettings = read_settings(TrainSettings, [], words)
    run = RunFolder.create(folder)
    write_text(run.path / "config.yaml", to_yaml(settings))
    made = build_model(settings.model, num_classes=read_cohort(cohort).num_classes, seed=0)
    save_weights(made, run.weights)


def differences(first: Path, other: Path) -> int:
    """How many files are not the same in two folders of maps."""
    held = [
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        for folder in (first, other)
    ]
    return sum(held[0].get(name) != held[1].get(name) for name in held[0].keys() | held[1].keys())


def explain(place: Path, way: str, words: Sequence[object]) -> float:
    """Explain in a way; seconds."""
    kind, count = way.split()
    out = ["--out", place / way.replace(" ", "-")]
    if kind == "jobs":
        return sightline(*words, *out, "--jobs", count)
    with cluster(int(count)) as local:
        return sightline(*words, *out, "--cluster", local.scheduler_address)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4, help="images a batch, which is what a process takes at a time")
    parser.add_argument("--model", default="densenet121")
    parser.add_argument("--method", default="lrp")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--ways", nargs="+", default=["jobs 1", "jobs 2", "dask 2"])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        sightline("prepare", "phantoms", place / "cohort", "--size", options.size, "--counts", f"test={options.cases}")
        make_run(place / "run", place / "cohort", options.model, options.size)
        words = ["explain", place / "run", "--number", options.cases, "--method", options.method, "--maps", "npy"]
        words += ["--batch-size", options.batch]
        first = None
        print("| way | maps | s | of these idle | maps/s | differences |\n|---|---|---|---|---|---|", flush=True)
        for way in options.ways:
            taken, idle = explain(place, way, words), explain(place, way, words)  # the second has nothing to do
            out = place / way.replace(" ", "-")
            first = first or out
            unlike, rate = differences(first, out), options.cases / (taken - idle)
            print(f"| {way} | {options.cases} | {taken:.1f} | {idle:.1f} | {rate:.2f} | {unlike} |", flush=True)
            rows.append({"way": way, "seconds": taken, "idle_s": idle, "maps_per_s": rate, "differences": unlike})
    if options.output:
        head = {name: getattr(options, name) for name in ("cases", "batch", "model", "method", "size")}
        write_json(options.output, {**head, "cores": os.cpu_count(), "ways": rows})


if __name__ == "__main__":
    main()
