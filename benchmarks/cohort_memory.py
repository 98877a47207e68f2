"""Seconds and memory to open a cohort and to begin an epoch: a tuple of cases against columns, side by side in one run.

    python benchmarks/cohort_memory.py --output benchmarks/results/cohort_memory_NAME.json

A table of N rows is written to a temporary folder: image, label of three, patient, source, split, mask, age, sex, view.
Fresh processes, one or several at once, read it in each of three ways: as a tuple of `Case` objects, which a cohort was
before it had columns; in columns for the first time; and in columns again, from the file that the first time kept. Then
each takes the split `train`, makes the order of an epoch, and builds the cases of its first ten batches of 32.

Told are wall-clock seconds of the slowest process, and by how much memory grew in a process, in the mean: PSS, in which
what several share counts in parts, and USS, what is its own alone, while all of them hold it; and the most it ever was
resident. Linux only, where the system tells this (`/proc/self/smaps_rollup`).
"""

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.data import Batches, Case, Cohort, read_cohort
from sightline.data.table import TABLE_NAME, table_rows
from sightline.data.table_columns import RowReader
from sightline.runs import write_json
from sightline.types import Batch

WAYS = ("tuple", "columns, first", "columns, again")
BATCH, BATCHES = 32, 10
SETTLE_S = 2.5  # nothing is kept of a table that has just changed
MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Cases(Batches):
    """Batches that build their cases and open no file."""

    def make(self, indices: Sequence[int]) -> Batch:
        """Build the cases."""
        cases = [self.cohort.cases[index] for index in indices]
        labels, nothing = torch.tensor([case.label for case in cases]), torch.zeros(0)
        return Batch(nothing, labels, nothing, tuple(case.id for case in cases))


def write_table(folder: Path, rows: int) -> Path:
    """Write a table."""
    generator = np.random.default_rng(0)
    splits = np.array(["train", "val", "test"])[generator.choice(3, rows, p=[0.7, 0.1, 0.2])]
    drawn = zip(
        generator.integers(0, 3, (rows, 3)).tolist(), generator.integers(18, 95, rows).tolist(), splits, strict=True
    )
    with (folder / TABLE_NAME).open("w") as file:
        file.write("image,label,patient,source,split,mask,age,sex,view\n")
        for row, ((label, source, view), age, split) in enumerate(drawn):
            patient, name = f"P{row // 3:08}", f"{row % 1000:03}/{row:08}_{row % 3:03}.png"
            file.write(
                f"images/{name},{('well', 'pneumonia', 'covid-19')[label]},{patient},hospital {source},{split},"
                f"masks/{name},{age},{'FM'[row % 2]},{('PA', 'AP', 'lateral')[view]}\n"
            )
    return folder / TABLE_NAME


def as_before(path: Path) -> Cohort:
    """Read a table as a tuple of cases by way of all its rows."""
    rows = table_rows(path)
    _, header = next(rows)
    kept = [(line, dict(zip(header, cells, strict=True))) for line, cells in rows]
    classes = tuple(sorted({row["label"] for _, row in kept}))
    reader = RowReader(header, path.parent, "multiclass", classes)
    cases: tuple[Case, ...] = tuple(reader.case(list(row.values())) for _, row in kept)
    return Cohort(path.parent, "multiclass", classes, cases)


def memory() -> dict[str, int]:
    """Return what this process has now, bytes."""
    lines = [line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]]
    told = {name: int(kib) * 1024 for name, kib, *_ in lines}
    return {"pss": told["Pss:"], "uss": told["Private_Clean:"] + told["Private_Dirty:"]}


def one_process(path: Path, way: str) -> None:
    """Read and begin an epoch, in step with other processes: a line is written after each, and one awaited."""
    gc.collect()
    begun = memory() | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}

    def tell(start: float) -> None:
        seconds = time.perf_counter() - start
        print("done", flush=True)
        sys.stdin.readline()
        now = memory() | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
        print(json.dumps({"seconds": seconds} | {name: now[name] - begun[name] for name in now}), flush=True)
        sys.stdin.readline()

    start = time.perf_counter()
    cohort = as_before(path) if way == "tuple" else read_cohort(path)
    tell(start)
    start = time.perf_counter()
    batches = Cases(cohort=cohort.split("train"), batch_size=BATCH, seed=0)
    for _ in islice(batches, BATCHES):
        pass
    tell(start)


def at_once(path: Path, way: str, processes: int) -> dict[str, dict[str, float]]:
    """Let processes read at once and tell what it took: to `open`, and to `begin` an epoch."""
    command = [sys.executable, __file__, "--child", way, "--table", str(path)]
    environment = os.environ | {"XDG_CACHE_HOME": str(path.parent / "cache")}
    started = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]

    def go_on() -> list[str]:
        for process in started:
            process.stdin.write("\n")
            process.stdin.flush()
        return [process.stdout.readline() for process in started]

    found = {}
    for step in ("open", "begin"):
        for process in started if step == "open" else []:
            process.stdout.readline()
        told = [json.loads(line) for line in go_on()]
        found[step] = {name: float(np.mean([each[name] for each in told])) for name in told[0]}
        found[step]["seconds"] = max(each["seconds"] for each in told)
        go_on()
    for process in started:
        process.wait()
    return found


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        one_process(options.table, options.child)
        return
    results: list[dict[str, Any]] = []
    print(f"{'rows':>10}  processes  {'way':15}  open s  PSS MiB  USS MiB  peak MiB  begin s  PSS MiB  USS MiB")
    for rows in options.rows:
        for processes in options.processes:
            with tempfile.TemporaryDirectory() as name:
                path = write_table(Path(name), rows)
                time.sleep(SETTLE_S)
                for way in options.ways:
                    found = at_once(path, way, processes)
                    kept = sum(file.stat().st_size for file in (path.parent / "cache").rglob("*.cases"))
                    sizes = {"table_bytes": path.stat().st_size, "kept_bytes": kept}
                    results.append({"rows": rows, "processes": processes, "way": way, **sizes, **found})
                    opened, begun = found["open"], found["begin"]
                    print(
                        f"{rows:10,}  {processes:9}  {way:15}  {opened['seconds']:6.2f}  {opened['pss'] / MIB:7.1f}  "
                        f"{opened['uss'] / MIB:7.1f}  {opened['peak'] / MIB:8.1f}  {begun['seconds']:7.3f}  "
                        f"{begun['pss'] / MIB:7.1f}  {begun['uss'] / MIB:7.1f}",
                        flush=True,
                    )
                    if options.output:
                        write_json(options.output, results)


if __name__ == "__main__":
    main()
