"""What guidance costs: a guided training step over a plain one, side by side in one run.

    python benchmarks/step_cost.py --output benchmarks/results/NAME.json

Each pair is a plain step and a guided step of the same model on the same batch, one after the other; the figure is
the median of the pairs' ratios, with the least and the greatest. Peak memory is that of a step beyond what the process
held before it, each in a process of its own (on a GPU: by its allocator). `--profile` prints where a step's time
goes instead.
"""

import argparse
import json
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from sightline.cli.allocation import keep_freed_memory
from sightline.guidance import BackgroundRelevance, Guidance, Unguided
from sightline.models import ModelSettings, build_model
from sightline.runs import write_json
from sightline.training.compiling import compile_passes


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    model: str
    classes: int
    precision: str
    variant: str = "stochastic"


@dataclass(frozen=True)
class Result:
    """What was measured: times in seconds, memory in MiB."""

    case: Case
    ratio: float
    least: float
    greatest: float
    plain_s: float
    guided_s: float
    plain_mib: float
    guided_mib: float


def make_step(
    case: Case, guidance: Guidance, device: str, batch: int, size: int, *, compiled: bool = False
) -> Callable[[], None]:
    """One training step without the optimiser, which is the same for both."""
    model = build_model(ModelSettings(name=case.model), num_classes=case.classes, seed=0).to(device).train()
    if compiled:
        compile_passes(model, torch.device(device))
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(batch, 3, size, size, generator=generator).to(device)
    labels = torch.randint(case.classes, (batch,), generator=generator).to(device)
    regions = torch.zeros(batch, 1, size, size, device=device)
    regions[..., size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = 1

    def step() -> None:
        model.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=case.precision == "bfloat16"):
            guided = guidance(model, images, labels, regions)
        guided.loss.backward()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def peak_mib(case: Case, guided: bool, device: str, batch: int, size: int, threads: int) -> float:
    """Peak memory of one step beyond what was there before it, after a step of warming up."""
    torch.set_num_threads(threads)
    step = make_step(case, BackgroundRelevance(variant=case.variant) if guided else Unguided(), device, batch, size)
    if device == "cuda":
        step()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew (Linux)
    before = _resident_kib("VmRSS")
    step()
    return (_resident_kib("VmHWM") - before) / 2**10


def _resident_kib(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def measure(case: Case, device: str, batch: int, size: int, pairs: int, threads: int) -> Result:
    """Interleave plain and guided steps, and take the median ratio."""
    plain = make_step(case, Unguided(), device, batch, size)
    guided = make_step(case, BackgroundRelevance(variant=case.variant), device, batch, size)
    for _ in range(2 if device == "cpu" else 5):
        plain()
        guided()
    times = []
    for _ in range(pairs):
        start = time.perf_counter()
        plain()
        middle = time.perf_counter()
        guided()
        times.append((middle - start, time.perf_counter() - middle))
    ratios = [after / before for before, after in times]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        memory = [pool.apply(peak_mib, (case, kind, device, batch, size, threads)) for kind in (False, True)]
    return Result(
        case,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        statistics.median(before for before, _ in times),
        statistics.median(after for _, after in times),
        *memory,
    )


def profile(case: Case, device: str, batch: int, size: int) -> None:
    """Print the operations of a plain and of a guided step by their own time."""
    for name, guidance in (("plain", Unguided()), ("guided", BackgroundRelevance(variant=case.variant))):
        step = make_step(case, guidance, device, batch, size)
        step()
        with torch.profiler.profile() as record:
            step()
        key = "self_cpu_time_total" if device == "cpu" else "self_device_time_total"
        print(name, case)
        print(record.key_averages().table(sort_by=key, row_limit=16, max_name_column_width=48))


def processor() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["densenet121", "resnet50", "vgg16"])
    parser.add_argument("--classes", nargs="+", type=int, default=[3, 14, 80])
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--variant", default="stochastic", choices=["original", "stochastic", "selective"])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    cases = [
        Case(model, classes, precision, options.variant)
        for precision in options.precision
        for model in options.models
        for classes in options.classes
    ]
    if options.profile:
        profile(cases[0], options.device, options.batch, options.size)
        return
    keep_freed_memory()  # as `sightline train` does
    hardware = torch.cuda.get_device_name() if options.device == "cuda" else processor()
    threads = torch.get_num_threads()
    print(f"{hardware}, {threads} threads, torch {torch.__version__}, batch {options.batch} x 3 x {options.size}²")
    print(
        "model         K  precision  guided / plain  (least, most)   plain s  guided s   plain MiB  guided MiB  ratio"
    )
    results = []
    for case in cases:
        r = measure(case, options.device, options.batch, options.size, options.pairs, threads)
        results.append(r)
        name = f"{case.model:12} {case.classes:2}  {case.precision:9}"
        times = f"{r.ratio:8.2f}        ({r.least:.2f}, {r.greatest:.2f})  {r.plain_s:8.3f}  {r.guided_s:8.3f}"
        memory = f"{r.plain_mib:10.0f}  {r.guided_mib:10.0f}  {r.guided_mib / max(r.plain_mib, 1e-9):5.2f}"
        print(f"{name}  {times}  {memory}", flush=True)
        if options.output:  # after each line: a slow case need not be waited for
            about = {"hardware": hardware, "threads": threads, "torch": torch.__version__, "variant": options.variant}
            about |= {"batch": options.batch, "size": options.size, "pairs": options.pairs}
            write_json(options.output, {**about, "results": [asdict(each) for each in results]})
    if options.output:
        print(json.dumps({"written": str(options.output)}))


if __name__ == "__main__":
    main()
