"""Time and peak memory of preparing one CT, at three sizes.

    python benchmarks/ct_preparation.py --output benchmarks/results/ct_preparation_NAME.txt

A phantom-like volume with noise (16-bit NIfTI, not compressed) of 0.7 x 0.7 x 1.0 mm is brought to 0.8 mm, as
`sightline prepare ct` does it. Each is one process of its own, whose peak is the kernel's count of its resident memory
(ru_maxrss); what the process takes before it begins is told beside it. The time is that of the job, wall-clock and of
the processor, median of the rounds; the steps are timed in one more round.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import nibabel
import numpy as np
import torch

from sightline.data.readers.volume import read_volume
from sightline.data.volumes import Job, Preparation, Source, prepare_volume, write_store
from sightline.data.volumes.prepare import prepared
from sightline.runs import write_text

SIZES = ((75, 256, 256), (150, 384, 384), (300, 512, 512))
SPACING = (1.0, 0.7, 0.7)


def write_scan(path: Path, shape: tuple[int, int, int]) -> None:
    """Write a body of two lungs in noise."""
    z, y, x = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in shape)]
    values = np.full(shape, -1000, np.int16)
    values[np.broadcast_to((x / 0.85) ** 2 + (y / 0.65) ** 2 < 1, shape)] = 40
    for side in (-0.4, 0.4):
        values[((x - side) / 0.3) ** 2 + (y / 0.45) ** 2 + (z / 0.8) ** 2 < 1] = -850
    generator = np.random.default_rng(0)
    for plane in values:
        plane += generator.normal(0, 25, plane.shape).astype(np.int16)
    affine = np.diag([-1.0, -1.0, -1.0, 1.0])[:, [2, 1, 0, 3]] @ np.diag([*SPACING, 1.0])
    nibabel.Nifti1Image(values.T, affine[:, [2, 1, 0, 3]]).to_filename(path)


def measure(scan: Path, organs: bool, threads: int, connection: "multiprocessing.connection.Connection") -> None:
    """Prepare one scan and say seconds, seconds of the processor, MiB before and MiB at the peak."""
    torch.set_num_threads(threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as out:
        job = Job(Source("p1", scan.name, scan), Path(out), Preparation(organs=organs))
        wall, processor = time.perf_counter(), time.process_time()
        outcome = prepare_volume(job)
        taken = time.perf_counter() - wall, time.process_time() - processor
    if outcome.reason:
        raise RuntimeError(outcome.reason)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    connection.send((*taken, before / 1024, peak / 1024, tuple(outcome.about["shape"])))


def in_a_process(scan: Path, *, organs: bool, threads: int) -> tuple[float, float, float, float, tuple[int, ...]]:
    """Measure in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=measure, args=(scan, organs, threads, theirs))
    process.start()
    theirs.close()
    answer: tuple[float, float, float, float, tuple[int, ...]] = ours.recv()
    process.join()
    return answer


def steps(scan: Path, folder: Path) -> str:
    """Say how long reading, resampling and writing take."""
    times = [time.perf_counter()]
    volume = read_volume(scan)
    times.append(time.perf_counter())
    ct, affine = prepared(volume, Preparation(), name="")
    times.append(time.perf_counter())
    write_store(folder / "p1.zarr", ct, spacing_mm=(0.8, 0.8, 0.8), affine=affine)
    times.append(time.perf_counter())
    size = sum(file.stat().st_size for file in (folder / "p1.zarr").rglob("*") if file.is_file()) / 2**20
    read, resample, write = (after - before for before, after in pairwise(times))
    return f"read {read:.1f} s, check, resample and clip {resample:.1f} s, write {write:.1f} s, {size:.0f} MiB stored"


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--organs", action="store_true", help="with lungs and mediastinum")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    lines = [
        f"{cores} CPU cores, {options.threads} threads, torch {torch.__version__}, {options.rounds} rounds, "
        f"organs {'found' if options.organs else 'not asked for'}; load {os.getloadavg()[0]:.1f} at the start",
        "voxels          to 0.8 mm       Mvoxels   wall s    cpu s   ns a voxel   peak MiB  before it  bytes a voxel",
    ]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for shape in SIZES:
            scan = Path(folder) / "scan.nii"
            writer = multiprocessing.get_context("spawn").Process(target=write_scan, args=(scan, shape))
            writer.start()  # elsewhere, since a process begins with the peak of the one that starts it
            writer.join()
            rounds = [in_a_process(scan, organs=options.organs, threads=options.threads) for _ in range(options.rounds)]
            wall, cpu, before, peak = (statistics.median(each[i] for each in rounds) for i in range(4))  # type: ignore[type-var]
            count = int(np.prod(shape))
            sizes = [" x ".join(map(str, each)) for each in (shape, rounds[0][4])]
            lines.append(
                f"{sizes[0]:15} {sizes[1]:15} {count / 1e6:7.1f}  {wall:7.1f}  {cpu:7.1f}  {cpu / count * 1e9:11.0f}  "
                f"{peak:9.0f}  {before:9.0f}  {(peak - before) * 2**20 / count:13.1f}"
            )
            print(lines[-1], flush=True)
        lines.append(steps(scan, Path(folder)))
        print(lines[-1])
    if options.output:
        write_text(options.output, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
