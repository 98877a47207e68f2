"""Time and memory of the partition of a chest CT into organs, at three sizes, each four times the one before.

    OMP_NUM_THREADS=1 python benchmarks/ct_organs.py --output benchmarks/results/NAME.json

One phantom is brought to each size, with noise, and written; each run is a process of its own that reads it as int16
and parts it. Processor seconds are what other processes do not add to; wall seconds are the same on an idle core, since
one thread works. Memory is the most that the process had in RAM, all in all and beyond what it had after reading.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from sightline.regions.organs import PAPER, OrganSettings, partition_organs
from sightline.runs import write_json

SIZES = ((75, 256, 256), (150, 362, 362), (300, 512, 512))
FIELD_MM = (324.0, 380.0, 380.0)
SETTINGS = {"robust": OrganSettings(), "paper": PAPER}


def make_volume(path: Path, size: tuple[int, int, int]) -> None:
    """Write a phantom of that size."""
    from sightline.data.phantoms.ct import ATRIUM, make_ct

    phantom = make_ct((5, 1), ATRIUM, 128, {"nodule": 0.5}).develop(ATRIUM)
    scale = [count / before for count, before in zip(size, phantom.shape, strict=True)]
    large = ndimage.zoom(phantom.astype(np.float32), scale, order=1, mode="nearest", grid_mode=True)
    rng = np.random.default_rng(0)
    for section in large:
        section += 15 * rng.standard_normal(section.shape, np.float32)
    np.save(path, np.rint(large.clip(-1024, 3071)).astype(np.int16))


def measure(path: Path, steps: str) -> None:
    """Part a volume and print what it took; run in a process of its own."""
    hu = np.load(path)
    spacing = [field / count for field, count in zip(FIELD_MM, hu.shape, strict=True)]
    before = peak_mib()
    wall, processor = time.perf_counter(), time.process_time()
    organs = partition_organs(hu, (spacing[0], spacing[1], spacing[2]), SETTINGS[steps])
    found = {
        "processor_s": round(time.process_time() - processor, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "peak_mib": round(peak_mib()),
        "more_mib": round(peak_mib() - before),
        "passed": organs.quality.passed,
    }
    print(json.dumps(found))


def peak_mib() -> float:
    """The most memory that this process has had; `getrusage` would count what its parent had when it was started."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--measure", nargs=2, metavar=("FILE", "STEPS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(Path(options.measure[0]), options.measure[1])
        return
    results = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "volume.npy"
            make_volume(path, size)
            for steps in SETTINGS:
                command = [sys.executable, __file__, "--measure", str(path), steps]
                runs = [
                    json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                    for _ in range(options.rounds)
                ]
                middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
                middle |= {"passed": all(run["passed"] for run in runs)}
                per_million = middle["processor_s"] / np.prod(size) * 1e6
                results.append({"size": size, "steps": steps, **middle, "s_per_million": round(per_million, 4)})
                print(json.dumps(results[-1]), flush=True)
    if options.output:
        about = {"processor": platform.processor() or platform.machine(), "threads": os.environ.get("OMP_NUM_THREADS")}
        write_json(options.output, {**about, "numpy": np.__version__, "rounds": options.rounds, "results": results})


if __name__ == "__main__":
    main()
