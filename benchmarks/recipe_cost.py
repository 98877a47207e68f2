"""What every recipe costs: its training step over that of the same network by classification alone, in one run.

    python benchmarks/recipe_cost.py --output benchmarks/results/NAME.json

Pairs of steps take turns on the same batch of noise with a square region; the figure is the median of the pairs'
ratios, with the least and the greatest, and for a recipe in stages the mean over its stages, weighed by their epochs.
What is there is read, so a run that was broken off goes on.
"""

import argparse
import json
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from sightline.cli.settings import read_settings, recipe_names
from sightline.runs import write_json
from sightline.training import StepCost, TrainSettings, step_cost
from sightline.types import Batch


def make_batch(channels: int, count: int, size: int, classes: int) -> Batch:
    """Noise, labels in turn, and the middle of the image as region."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, channels, size, size, generator=generator)
    regions = torch.zeros(count, 1, size, size)
    regions[..., size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = 1
    return Batch(images, torch.arange(count) % classes, regions, tuple(map(str, range(count))))


def processor() -> str:
    """Name of the device."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=list(recipe_names()))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shape = {"batch": options.batch, "size": options.size, "classes": options.classes, "pairs": options.pairs}
    head: dict[str, Any] = {"device": processor(), "threads": options.threads, "torch": torch.__version__, **shape}
    known = json.loads(options.output.read_text()) if options.output.is_file() else {"recipes": {}}
    for name in options.recipes:
        if name not in known["recipes"]:
            settings = read_settings(TrainSettings, [name], ["data.cohort=none"])
            batch = make_batch(settings.model.in_channels, options.batch, options.size, options.classes)
            cost = step_cost(settings, batch, num_classes=options.classes, pairs=options.pairs)
            known["recipes"][name] = {"model": settings.model.name, **cost.as_dict()}
            write_json(options.output, head | {"recipes": known["recipes"]})
        told = {key: value for key, value in known["recipes"][name].items() if key != "model"}
        cost = StepCost(**told)
        sys.stdout.write(
            f"| {name} | {known['recipes'][name]['model']} | {cost.parameters / 1e6:.2f} | "
            f"{cost.ratio:.2f} ({cost.least:.2f}, {cost.greatest:.2f}) | {cost.plain_s:.2f} | {cost.guided_s:.2f} |\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
