"""What `compile=true` gains where nothing explains: plain training steps, compiled and not, side by side in one run.

    python benchmarks/compile_cost.py --models densenet121 resnet50 --output benchmarks/results/NAME.json

Each pair is a step of the model as it is written and one of the same model compiled, on the same batch; the figure is
the median of the pairs' ratios (above 1 the compiled one is faster), with the least and the greatest. The first
compiled step compiles, and is told by itself.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from step_cost import Case, make_step, processor

from sightline.guidance import Unguided
from sightline.runs import write_json


@dataclass(frozen=True)
class Result:
    """What was measured: times in seconds."""

    model: str
    ratio: float
    least: float
    greatest: float
    written_s: float
    compiled_s: float
    first_s: float


def seconds(step: Callable[[], None]) -> float:
    """Time of one step."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def measure(model: str, device: str, precision: str, batch: int, size: int, pairs: int) -> Result:
    """Interleave steps as written and compiled, and take the median ratio."""
    case = Case(model, 3, precision)
    written, compiled = (make_step(case, Unguided(), device, batch, size, compiled=way) for way in (False, True))
    first = seconds(compiled)
    for step in (written, compiled):
        step()
    times = [(seconds(written), seconds(compiled)) for _ in range(pairs)]
    ratios = [before / after for before, after in times]
    return Result(
        model,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        statistics.median(before for before, _ in times),
        statistics.median(after for _, after in times),
        first,
    )


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["densenet121", "resnet50"])
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    where = torch.cuda.get_device_name() if device == "cuda" else f"{processor()}, {options.threads} thread(s)"
    print(f"{where}, torch {torch.__version__}, batch {options.batch} x 3 x {options.size}², {options.precision}")
    print(f"{'model':<14}{'written/compiled (least, most)':>32}{'written s':>11}{'compiled s':>12}{'first step s':>14}")
    results = []
    for model in options.models:
        r = measure(model, device, options.precision, options.batch, options.size, options.pairs)
        results.append(r)
        ratio = f"{r.ratio:.2f} ({r.least:.2f}, {r.greatest:.2f})"
        print(f"{model:<14}{ratio:>32}{r.written_s:>11.3f}{r.compiled_s:>12.3f}{r.first_s:>14.0f}", flush=True)
    if options.output:
        asked = {"batch": options.batch, "size": options.size, "precision": options.precision, "pairs": options.pairs}
        told = {"hardware": where, "torch": torch.__version__, **asked, "results": [asdict(r) for r in results]}
        write_json(options.output, told)


if __name__ == "__main__":
    main()
