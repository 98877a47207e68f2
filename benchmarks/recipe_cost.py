"""What every recipe costs: its training step over that of the same network by classification alone, in one run.

    python benchmarks/recipe_cost.py --output benchmarks/results/NAME.json

Pairs of steps take turns on the same batch of noise with a square region, or on one volume; the figure is the median of
the pairs' ratios, with the least and the greatest, and for a recipe in stages the mean over its stages, weighed by
their epochs. Memory is the peak of a step beyond what was there before it, each in a process of its own; of a recipe in
stages that of the largest. What is there is read, so a run that was broken off goes on.
"""

import argparse
import json
import multiprocessing
import platform
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sightline.cli.allocation import keep_freed_memory
from sightline.cli.settings import read_settings, recipe_names
from sightline.guidance import make_guidance
from sightline.models import build_model
from sightline.runs import write_json
from sightline.training import StepCost, TrainSettings, step_cost
from sightline.training.cost import without_warm_up
from sightline.training.environment import find_device
from sightline.training.precision import autocast
from sightline.training.stages import only_training, training_mode
from sightline.types import Batch


def make_batch(channels: int, count: int, shape: tuple[int, ...], classes: int) -> Batch:
    """Noise, and in each slice the middle as region; labels in turn, of a volume one of them present."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, channels, *shape, generator=generator)
    regions = torch.zeros(count, 1 if len(shape) == 2 else classes, *shape)
    rows, columns = (slice(side // 4, 3 * side // 4) for side in shape[-2:])
    regions[..., rows, columns] = 1
    labels = torch.arange(count) % classes
    known = labels if len(shape) == 2 else torch.nn.functional.one_hot(labels, classes).float()
    return Batch(images, known, regions, tuple(map(str, range(count))))


def settings_of(recipe: str, volume: tuple[int, ...]) -> TrainSettings:
    """Settings of a recipe; a network of volumes is made for volumes of this shape."""
    settings = read_settings(TrainSettings, [recipe], ["data.cohort=none"])
    if settings.data.volume is None:
        return settings
    model = replace(settings.model, options={**settings.model.options, "size": list(volume)})
    return replace(settings, model=model)


def processor() -> str:
    """Name of the device."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def peak_mib(settings: TrainSettings, batch: Batch, classes: int, threads: int, guided: bool) -> float:
    """Peak memory of one step, MiB; to be called in a process of its own."""
    torch.set_num_threads(threads)
    device = find_device(settings.device)
    images, labels, regions = (part.to(device) for part in (batch.images, batch.labels, batch.regions))
    peaks = []
    for stage in settings.all_stages.values():
        model = build_model(settings.model, num_classes=classes, seed=settings.seed).to(device)
        guidance = make_guidance(without_warm_up(stage.guidance) if guided else None).to(device)
        with only_training(model, stage.trains if guided else ()):
            training_mode(model, stage.trains if guided else ())
            for _ in range(2 if device.type == "cuda" else 1):  # on the CPU what is freed stays with the process
                model.zero_grad()
                before = _begin(device)
                with autocast(device.type, settings.precision):
                    loss = guidance(model, images, labels, regions).loss
                loss.backward()
            peaks.append(_peak(device) - before)
    return max(peaks)


def _begin(device: torch.device) -> float:
    """Let the high-water mark start anew; MiB in use."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # Linux
    return _resident("VmRSS")


def _peak(device: torch.device) -> float:
    return torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else _resident("VmHWM")


def _resident(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=list(recipe_names()))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--volume", type=int, nargs=3, default=[6, 420, 420], metavar=("D", "H", "W"))
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    keep_freed_memory()  # as `sightline train` does
    torch.set_num_threads(options.threads)
    shape = {name: getattr(options, name) for name in ("batch", "size", "classes", "pairs")}
    head: dict[str, Any] = {"device": processor(), "threads": options.threads, "torch": torch.__version__, **shape}
    known = json.loads(options.output.read_text()) if options.output.is_file() else {"recipes": {}}
    for name in options.recipes:
        if name not in known["recipes"]:
            settings = settings_of(name, tuple(options.volume))
            volume = settings.data.volume is not None
            size = tuple(options.volume) if volume else (options.size, options.size)
            batch = make_batch(settings.model.in_channels, 1 if volume else options.batch, size, options.classes)
            cost = step_cost(settings, batch, num_classes=options.classes, pairs=options.pairs)
            with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
                asked = (settings, batch, options.classes, options.threads)
                plain, guided = (pool.apply(peak_mib, (*asked, kind)) for kind in (False, True))
            memory = {"plain_mib": plain, "guided_mib": guided}
            about = {"model": settings.model.name} | ({"volume": options.volume} if volume else {})
            known["recipes"][name] = {**about, **cost.as_dict(), **memory}
            write_json(options.output, head | {"recipes": known["recipes"]})
        told = dict(known["recipes"][name])
        told.pop("volume", None)
        network, plain, guided = (told.pop(key, float("nan")) for key in ("model", "plain_mib", "guided_mib"))
        cost = StepCost(**told)
        sys.stdout.write(
            f"| {name} | {network} | {cost.parameters / 1e6:.2f} | "
            f"{cost.ratio:.2f} ({cost.least:.2f}, {cost.greatest:.2f}) | {cost.plain_s:.2f} | {cost.guided_s:.2f} | "
            f"{plain:.0f} | {guided:.0f} | {guided / plain:.2f} |\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
