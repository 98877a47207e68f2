"""The same settings, the same weights: seeds and deterministic algorithms for as long as a training runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_of(seed: int, rank: int, step: int = 0) -> int:
    """Seed of what a process draws from a step on; the first process has that of the run."""
    if not rank and not step:
        return seed
    return int(np.random.SeedSequence(seed, spawn_key=(rank, step)).generate_state(1)[0])


@contextmanager
def reproducible(seed: int, device: torch.device, rank: int = 0) -> Iterator[None]:
    """Seed torch and keep to deterministic algorithms where torch has them; afterwards all is as it was.

    Args:
        seed: of everything that draws from torch's own generators, such as dropout.
        device: whose generator is seeded besides that of the CPU.
        rank: of the process, each of which draws otherwise.
    """
    gpus = [device] if device.type == "cuda" else []
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=gpus):
        # not torch.manual_seed: it would seed accelerators that are not forked
        seed = seed_of(seed, rank)
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
