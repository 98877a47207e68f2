"""What two settings of the audit spare a classifier that answers on the CPU: kept memory, and channels last.

    python benchmarks/answering_speed.py

Each of the four ways is a process of its own, for how memory is asked for can be set once; they take turns. The figure
is the time of a pass over the images of a batch, by the wall and of the processor, the median of the passes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import torch

from sightline.cli.allocation import keep_freed_memory
from sightline.models import ModelSettings, build_model

WAYS = ("as it is", "kept memory", "channels last", "both")


def measure(way: str, name: str, batch: int, size: int, passes: int) -> dict[str, list[float]]:
    """Time some passes in this process, ms an image."""
    if way in ("kept memory", "both"):
        keep_freed_memory()
    images = torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
    if way in ("channels last", "both"):
        images = images.contiguous(memory_format=torch.channels_last)
    model = build_model(ModelSettings(name), num_classes=3, seed=0).eval()
    taken: dict[str, list[float]] = {"wall": [], "processor": []}
    with torch.no_grad():
        for turn in range(-2, passes):  # the first two warm up
            starts = time.perf_counter(), time.process_time()
            model(images)
            if turn >= 0:
                ends = time.perf_counter(), time.process_time()
                for clock, start, end in zip(taken, starts, ends, strict=True):
                    taken[clock].append(1e3 * (end - start) / batch)
    return taken


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["densenet121", "resnet50"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.models[0], options.batch, options.size, options.passes)))
        return
    given = ["--batch", str(options.batch), "--size", str(options.size), "--passes", str(options.passes)]
    print(f"ms an image; batch {options.batch}, {options.size} x {options.size}, torch {torch.__version__}, ", end="")
    print(f"{torch.get_num_threads()} threads\n\n| model | way | wall | processor |\n|---|---|---|---|")
    for model in options.models:
        found: dict[str, dict[str, list[float]]] = {way: {"wall": [], "processor": []} for way in WAYS}
        for _ in range(options.rounds):
            for way in WAYS:
                command = [sys.executable, __file__, "--way", way, "--models", model, *given]
                for clock, values in json.loads(subprocess.check_output(command)).items():
                    found[way][clock] += values
        for way in WAYS:
            wall, processor = (statistics.median(found[way][clock]) for clock in ("wall", "processor"))
            print(f"| {model} | {way} | {wall:.0f} | {processor:.0f} |", flush=True)


if __name__ == "__main__":
    main()
