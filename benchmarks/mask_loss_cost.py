"""What the mask loss costs: a training step of AxialNet with it over a step by classification alone, in one run.

    python benchmarks/mask_loss_cost.py --output benchmarks/results/NAME.json

Each pair is a step of each on the same volumes of noise, in turns first and second, without the optimiser, which is the
same for both; the figure is the median of the pairs' ratios, with the quartiles. On the CPU it is processor time, which
other processes disturb less. The closed form is small beside the network, and smaller still the larger the volumes.
"""

import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from sightline.cli.settings import read_settings
from sightline.guidance import Guidance, Unguided, make_guidance
from sightline.models import build_model
from sightline.runs import write_json
from sightline.training import TrainSettings

Batch = tuple[Tensor, Tensor, Tensor]


def make_batch(count: int, size: tuple[int, ...], grid: tuple[int, ...], classes: int) -> Batch:
    """Noise, a tenth of the classes present, and half of each volume allowed for these."""
    generator = torch.Generator().manual_seed(0)
    volumes = torch.rand(count, 1, *size, generator=generator)
    labels = (torch.rand(count, classes, generator=generator) < 0.1).float()
    organ = torch.zeros(grid)
    organ[..., : grid[-1] // 2] = 1
    return volumes, labels, labels[:, :, None, None, None] * organ


def seconds(model: nn.Module, guidance: Guidance, batch: Batch) -> float:
    """Time a step."""
    model.zero_grad()
    cuda = batch[0].is_cuda
    clock = time.perf_counter if cuda else time.process_time
    if cuda:
        torch.cuda.synchronize()
    start = clock()
    guidance(model, *batch).loss.backward()
    if cuda:
        torch.cuda.synchronize()
    return clock() - start


def measure(model: nn.Module, guidance: Guidance, batch: Batch, pairs: int) -> dict[str, object]:
    """Take steps in pairs; the first two pairs warm up."""
    plain, taken = Unguided(), []
    for turn in range(-2, pairs):
        order = (plain, guidance) if turn % 2 else (guidance, plain)
        times = {each: seconds(model, each, batch) for each in order}
        if turn >= 0:
            taken.append((times[plain], times[guidance]))
    ratios = [guided / alone for alone, guided in taken]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {
        "ratio": round(middle, 4),
        "quartiles": [round(low, 4), round(high, 4)],
        "plain_s": round(statistics.median(alone for alone, _ in taken), 4),
        "guided_s": round(statistics.median(guided for _, guided in taken), 4),
    }


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=["axialnet-mask-loss"])
    parser.add_argument("--size", type=int, nargs=3, default=[27, 420, 420])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    head = {name: value for name, value in vars(options).items() if name not in ("recipes", "output")}
    result: dict[str, object] = {"torch": torch.__version__, **head, "recipes": {}}
    found: dict[str, object] = {}
    for name in options.recipes:
        settings = read_settings(TrainSettings, [name], ["data.cohort=none"])
        chosen = replace(settings.model, options={**settings.model.options, "size": options.size})
        model = build_model(chosen, num_classes=options.classes, seed=0).to(options.device).train()
        grid = tuple(model.features.shape[1:])
        batch = make_batch(options.batch, tuple(options.size), grid, options.classes)
        moved = tuple(part.to(options.device) for part in batch)
        found[name] = measure(model, make_guidance(settings.guidance).to(options.device), moved, options.pairs)
        write_json(options.output, result | {"recipes": found})
        sys.stdout.write(json.dumps({name: found[name]}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
