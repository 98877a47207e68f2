"""What memory a training step on a whole chest CT takes: AxialNet, one volume of 405 x 420 x 420, float32, on the CPU.

    python benchmarks/volume_memory.py --output benchmarks/results/NAME.json

Each line is a process of its own that builds the model, makes one step with the optimiser of the paper (SGD with
momentum), and tells the most memory it held at any time: all of it, the interpreter and the volume included.
`again` computes the trunk's activations again in the backward pass, `kept` keeps them; behind the colon stands how many
groups of three slices pass the trunk together.
"""

import argparse
import json
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypedDict

import torch
import torch.nn.functional as F

from sightline.models import ModelSettings, build_model
from sightline.runs import write_json

CASES = ("again:135", "again:27")


class Result(TypedDict):
    """What was measured of one case."""

    case: str
    peak_mib: float
    before_mib: float
    step_s: float
    loss: float


def held_mib() -> float:
    """Most memory that the process held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux


def measure(case: str, model: str, size: tuple[int, int, int], classes: int, threads: int) -> Result:
    """Make one training step."""
    torch.set_num_threads(threads)
    activations, _, at_once = case.partition(":")
    options = {"size": size, "checkpointing": activations == "again", "slices_at_once": int(at_once)}
    network = build_model(ModelSettings(model, in_channels=1, options=options), num_classes=classes, seed=0)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.99, weight_decay=1e-7)
    generator = torch.Generator().manual_seed(0)
    volume = torch.rand(1, 1, *size, generator=generator)
    labels = torch.randint(2, (1, classes), generator=generator).float()
    before, start = held_mib(), time.perf_counter()
    loss = F.binary_cross_entropy_with_logits(network(volume), labels)
    loss.backward()
    optimiser.step()
    seconds = time.perf_counter() - start
    return Result(case=case, peak_mib=held_mib(), before_mib=before, step_s=seconds, loss=loss.item())


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=CASES, metavar="again|kept:N")
    parser.add_argument("--model", default="axialnet")
    parser.add_argument("--size", type=int, nargs=3, default=(405, 420, 420))
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    about = {"model": options.model, "size": list(options.size), "batch": 1, "classes": options.classes}
    about |= {"precision": "float32", "threads": options.threads, "torch": torch.__version__}
    results = []
    print("case          peak MiB  before the step MiB  step s")
    for case in options.cases:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            given = (case, options.model, tuple(options.size), options.classes, options.threads)
            r = process.submit(measure, *given).result()
        results.append(r)
        print(f"{case:12} {r['peak_mib']:9.0f} {r['before_mib']:20.0f} {r['step_s']:7.1f}", flush=True)
        if options.output:  # after each line: a slow case need not be waited for
            write_json(options.output, {**about, "results": results})
    if options.output:
        print(json.dumps({"written": str(options.output)}))


if __name__ == "__main__":
    main()
