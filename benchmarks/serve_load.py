"""A server under load: requests a second, how long they take, what goes wrong, and how much memory it takes.

    python benchmarks/serve_load.py --seconds 60 --clients 32 --output benchmarks/results/NAME.json

Starts `sightline serve` on two cores (Linux; elsewhere on all) and asks it from this process: each client asks the next
question when it has the answer to the last, each tenth one for a map. By default the run is a ResNet-18 with the
weights it is born with, on phantoms of 224 pixels a side. Memory is the proportional set size of the server and its
processes, looked at twice a second; whether it grows shows in its last quarter beside its first.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from sightline.data import DataSettings, Preprocessing
from sightline.data.phantoms import make_phantom_cohort
from sightline.models import ModelSettings, build_model, save_weights
from sightline.plain import to_plain
from sightline.runs import RunFolder, write_json, write_text
from sightline.training import TrainSettings
from sightline.yaml12 import dump

PORT_WORDS = ("--port", "0", "--json")


@dataclass(frozen=True)
class Result:
    """What came out; times in seconds, memory in MiB."""

    seconds: float
    clients: int
    requests: int
    requests_per_s: float
    p50: float
    p95: float
    p99: float
    slowest: float
    statuses: dict[str, int]
    errors: int
    memory_begin_mib: float
    memory_peak_mib: float
    memory_first_quarter_mib: float
    memory_last_quarter_mib: float
    images_a_pass: float
    cores: int
    machine: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="run folder; by default one is made")
    parser.add_argument("--images", type=Path, help="folder of PNG; by default phantoms")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument(
        "--explain", type=int, default=10, metavar="N", help="each N-th request is for a map; 0 for none"
    )
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or make_run(Path(folder))
        images = sorted((options.images or Path(folder) / "cohort" / "images").glob("*.png"))
        bodies = [image.read_bytes() for image in images]
        with server(run, options.cores) as (url, process):
            result = asyncio.run(load(url, process.pid, bodies, options))
    print(json.dumps(asdict(result), indent=2))
    if options.output:
        write_json(options.output, asdict(result))


def make_run(folder: Path) -> Path:
    make_phantom_cohort(folder / "cohort", size=224, counts={"train": 3, "test": 24})
    data = DataSettings(folder / "cohort", Preprocessing(size=224, channels=1))
    settings = TrainSettings(data, name="load", model=ModelSettings("resnet18", in_channels=1))
    run = RunFolder.create(folder / "run")
    write_text(run.path / "config.yaml", dump(to_plain(settings)))
    save_weights(build_model(settings.model, num_classes=3, seed=0), run.weights)
    return run.path


@contextlib.contextmanager
def server(run: Path, cores: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "sightline.cli.main", "serve", str(run), *PORT_WORDS]
    environment = os.environ | {"OMP_NUM_THREADS": str(cores)}
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if before:
        os.sched_setaffinity(0, sorted(before)[:cores])  # what is started inherits it
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    if before:
        os.sched_setaffinity(0, before)
    try:
        told = "".join(iter(process.stdout.readline, "}\n")) + "}" if process.stdout else "{}"
        yield json.loads(told)["url"], process
    finally:
        process.terminate()
        if process.wait(timeout=120):
            raise SystemExit(f"the server ended with {process.returncode}")


async def load(url: str, pid: int, bodies: list[bytes], options: argparse.Namespace) -> Result:
    times: list[float] = []
    statuses: Counter[str] = Counter()
    memory: list[float] = [memory_mib(pid)]
    limits = httpx.Limits(max_connections=options.clients, max_keepalive_connections=options.clients)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        await client.post("/predict", content=bodies[0])  # the first pass through a model is slower
        began = time.monotonic()
        until = began + options.seconds

        async def ask(number: int) -> None:
            while (now := time.monotonic()) < until:
                number += options.clients
                path = (
                    "/explain" if options.explain and not (number // options.clients) % options.explain else "/predict"
                )
                try:
                    reply = await client.post(path, content=bodies[number % len(bodies)])
                    statuses[str(reply.status_code)] += 1
                except httpx.HTTPError as error:
                    statuses[type(error).__name__] += 1
                times.append(time.monotonic() - now)

        async def watch() -> None:
            while time.monotonic() < until:
                memory.append(await asyncio.to_thread(memory_mib, pid))
                await asyncio.sleep(0.5)

        await asyncio.gather(watch(), *map(ask, range(options.clients)))
        spent = time.monotonic() - began
        metrics = (await client.get("/metrics")).text
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    part = max(len(memory) // 4, 1)
    batches = {
        line.split()[0]: float(line.split()[1])
        for line in metrics.splitlines()
        if line.startswith("sightline_batch_images_") and "{" not in line
    }
    return Result(
        seconds=spent,
        clients=options.clients,
        requests=len(times),
        requests_per_s=len(times) / spent,
        p50=cuts[49],
        p95=cuts[94],
        p99=cuts[98],
        slowest=max(times),
        statuses=dict(sorted(statuses.items())),
        errors=sum(count for status, count in statuses.items() if status != "200"),
        memory_begin_mib=memory[0],
        memory_peak_mib=max(memory),
        memory_first_quarter_mib=max(memory[:part]),
        memory_last_quarter_mib=max(memory[-part:]),
        images_a_pass=batches["sightline_batch_images_sum"] / batches["sightline_batch_images_count"],
        cores=options.cores,
        machine=platform.machine(),
    )


def memory_mib(pid: int) -> float:
    """Proportional set size of a process and all below it, MiB; 0 where the system does not tell."""
    parents: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(status.parent.name))
    total, left = 0, [pid]
    while left:
        one = left.pop()
        left += parents.get(one, [])
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


if __name__ == "__main__":
    main()
