"""What a classifier trained with the ISNet loss costs when it is used: its forward pass over a plain one's.

    python benchmarks/inference_cost.py

Both are built alike and differ in their weights only, those of one after two guided steps and a way through a file.
Each pair is a forward pass of each on the same batch, in turns first and second; the figure is the median of the pairs'
ratios, with the quartiles. On the CPU it is processor time, which other processes disturb less.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from sightline.guidance import BackgroundRelevance
from sightline.models import ModelSettings, build_model, load_weights, save_weights


def exported(settings: ModelSettings, images: Tensor) -> nn.Module:
    """Guide a classifier for two steps, write its weights, and read them into a new one."""
    model, guidance = build_model(settings, num_classes=3, seed=0).to(images.device), BackgroundRelevance()
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    regions = torch.zeros_like(images[:, :1])
    regions[..., regions.shape[-1] // 4 : -regions.shape[-1] // 4] = 1
    optimiser = torch.optim.SGD(model.parameters(), 1e-3)
    for _ in range(2):
        optimiser.zero_grad()
        guidance(model, images, labels, regions).loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    plain = build_model(settings, num_classes=3, seed=0).to(images.device)
    with tempfile.TemporaryDirectory() as folder:
        save_weights(model, Path(folder) / "model.safetensors")
        load_weights(plain, Path(folder) / "model.safetensors")
    return plain


def seconds(model: nn.Module, images: Tensor) -> float:
    """Time a forward pass."""
    clock = time.perf_counter if images.is_cuda else time.process_time
    start = clock()
    model(images)
    if images.is_cuda:
        torch.cuda.synchronize()
    return clock() - start


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="densenet121")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(options.batch, 3, options.size, options.size, generator=generator).to(options.device)
    settings = ModelSettings(options.model)
    plain = build_model(settings, num_classes=3, seed=0).to(options.device).eval()
    guided = exported(settings, images).eval()
    pairs = []
    with torch.inference_mode():
        for turn in range(-4, options.pairs):  # the first four warm up
            order = (plain, guided) if turn % 2 else (guided, plain)
            taken = {model: seconds(model, images) for model in order}
            if turn >= 0:
                pairs.append((taken[plain], taken[guided]))
    ratios = [after / before for before, after in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    result = {
        "model": options.model,
        "device": options.device,
        "threads": options.threads,
        "torch": torch.__version__,
        "ratio": round(middle, 4),
        "quartiles": [round(low, 4), round(high, 4)],
        "plain_s": round(statistics.median(before for before, _ in pairs), 5),
        "guided_s": round(statistics.median(after for _, after in pairs), 5),
        "pairs": options.pairs,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
