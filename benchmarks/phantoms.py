"""Phantoms a second on one core: radiographs of the demo, radiographs with findings, and CT volumes.

    OMP_NUM_THREADS=1 python benchmarks/phantoms.py --output benchmarks/results/NAME.json

Rounds of the contenders take turns. Times are processor seconds, which other processes do not add to, though they still
slow it down through what cores share; the figure is the median of the rounds, with the slowest and the fastest. `drawn`
is pixels and masks with the hospital's marks; `written` adds gaze, report, variants and the files, as for a cohort's
test split.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sightline.data.phantoms import FINDINGS, HILLCREST, NORTHGATE, RIVERSIDE, make_phantom_cohort, render_phantom
from sightline.data.phantoms.ct import SCANNERS, make_ct
from sightline.data.phantoms.radiographs import make_findings_cohort, make_radiograph
from sightline.runs import write_json

HOSPITALS = (RIVERSIDE, HILLCREST, NORTHGATE)


def draw_phantom(index: int, size: int) -> None:
    """One of the demo's."""
    render_phantom((0, index), FINDINGS[index % 3], HOSPITALS[index % 3], size)


def draw_radiograph(index: int, size: int) -> None:
    """One with findings as they come."""
    make_radiograph((0, index), HOSPITALS[index % 3], size).develop(HOSPITALS[index % 3])


def draw_ct(index: int, size: int) -> None:
    """One scan."""
    make_ct((0, index), SCANNERS[index % 3], size).develop(SCANNERS[index % 3])


def write_phantoms(first: int, count: int, size: int) -> None:
    """Some of the demo's with their files."""
    with tempfile.TemporaryDirectory() as folder:
        make_phantom_cohort(Path(folder), seed=first, size=size, counts={"test": count})


def write_radiographs(first: int, count: int, size: int) -> None:
    """Some with findings, with their files."""
    with tempfile.TemporaryDirectory() as folder:
        make_findings_cohort(Path(folder), seed=first, size=size, counts={"test": count})


def rate(work: Callable[[int], None], first: int, count: int) -> float:
    """Phantoms per processor second of a work that makes `count`, from number `first` on."""
    start = time.process_time()
    work(first)
    return count / (time.process_time() - start)


def each(draw: Callable[[int, int], None], count: int, size: int) -> Callable[[int], None]:
    """The work of drawing `count` phantoms."""

    def work(first: int) -> None:
        for index in range(count):
            draw(first + index, size)

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", type=int, default=256, help="of radiographs")
    parser.add_argument("--ct-size", type=int, default=128)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    size = arguments.size

    contenders: dict[str, tuple[Callable[[int], None], int]] = {
        "demo, drawn": (each(draw_phantom, 6, size), 6),
        "findings, drawn": (each(draw_radiograph, 24, size), 24),
        "demo, written": (lambda first: write_phantoms(first, 6, size), 6),
        "findings, written": (lambda first: write_radiographs(first, 12, size), 12),
        "CT, drawn": (each(draw_ct, 3, arguments.ct_size), 3),
    }
    draw_radiograph(0, size)  # imports and tables
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(arguments.rounds):
        for name, (work, count) in contenders.items():
            rates[name].append(rate(work, 100 * turn, count))
        print(f"round {turn + 1} of {arguments.rounds}", flush=True)
    for name, found in rates.items():
        print(f"{name:18s} {statistics.median(found):6.1f} a second ({min(found):.1f} to {max(found):.1f})")
    if arguments.output:
        about = {"processor": platform.processor() or platform.machine(), "threads": os.environ.get("OMP_NUM_THREADS")}
        write_json(arguments.output, {**about, "numpy": np.__version__, "size": size, "a second": rates})


if __name__ == "__main__":
    main()
