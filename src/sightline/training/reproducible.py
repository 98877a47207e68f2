"""The same settings, the same weights: seeds and deterministic algorithms for as long as a training runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch and keep to deterministic algorithms where torch has them; afterwards all is as it was.

    Args:
        seed: of everything that draws from torch's own generators, such as dropout.
        device: whose generator is seeded besides that of the CPU.
    """
    gpus = [device] if device.type == "cuda" else []
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=gpus):
        # not torch.manual_seed: it would seed accelerators that are not forked
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
