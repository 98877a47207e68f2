"""Everything a training needs to go on as if it had never stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sightline.errors import RunError
from sightline.runs import atomic_path
from sightline.training.reproducible import seed_of
from sightline.training.sharding import load_state


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        step: optimiser steps done.
        best: lowest validation objective so far in this stage.
        lines: lines of `metrics.jsonl` that belong to these steps.
        stage: number of the stage, from 0.
        began: steps done when it began.
        epochs: epochs done when it began.
        stale: epochs since its best.
        waited: epochs since its best or since the last fall of the learning rate.
        factor: by which the learning rate has fallen in it.
        left_out: steps in a row, up to the last one, that were left out, their loss or gradient not finite.
    """

    step: int = 0
    best: float = float("inf")
    lines: int = 0
    stage: int = 0
    began: int = 0
    epochs: int = 0
    stale: int = 0
    waited: int = 0
    factor: float = 1.0
    left_out: int = 0

    def improves(self, objective: float) -> bool:
        """Count an epoch, and tell whether its objective on the validation split is the best of the stage so far."""
        self.stale, self.waited = self.stale + 1, self.waited + 1
        if not objective < self.best:
            return False
        self.best, self.stale, self.waited = objective, 0, 0
        return True

    def begin_stage(self, epochs: int) -> None:
        """Go on to the next stage, after so many epochs of the one before."""
        self.stage, self.began, self.epochs = self.stage + 1, self.step, self.epochs + epochs
        self.best, self.stale, self.waited, self.factor, self.left_out = float("inf"), 0, 0, 1.0, 0


def random_state(device: torch.device) -> dict[str, Tensor]:
    """State of torch's generators, that of the CPU and of the device, in this process."""
    state = {"random": torch.random.get_rng_state()}
    return state | {"random_cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def save_checkpoint(
    path: Path,
    states: Mapping[str, Any],
    progress: Progress,
    device: torch.device,
    others: Sequence[dict[str, Tensor]] = (),
) -> None:
    """Write the state of each part, the progress and torch's random states, atomically.

    Args:
        path: of the file.
        states: state dict of each part, by name.
        progress: so far.
        device: that the training runs on.
        others: from `random_state`, of each further process.
    """
    state = {**states, "progress": vars(progress)}
    state |= random_state(device) | {"random_of_others": list(others)}
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def read_progress(path: Path) -> Progress:
    """Read how far the training of a checkpoint had come.

    Raises:
        RunError: the file is not a checkpoint.
    """
    try:
        return Progress(**torch.load(path, map_location="cpu", weights_only=True, mmap=True)["progress"])
    except Exception as error:
        raise _unusable(path, error) from error


def load_checkpoint(
    path: Path, parts: dict[str, Any], device: torch.device, *, seed: int = 0, rank: int = 0
) -> Progress:
    """Restore what `save_checkpoint` wrote.

    Args:
        path: of the file.
        parts: what has `load_state_dict`, by the names of their states.
        device: that the training runs on.
        seed: of the run; a process that there was none of draws anew from it and the step.
        rank: of this process.

    Raises:
        RunError: the file is not a checkpoint, or of another model.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        for name, part in parts.items():
            load_state(part, state[name])
        progress = Progress(**state["progress"])
        states = [state, *state.get("random_of_others", ())]
        if rank < len(states):
            torch.random.set_rng_state(states[rank]["random"].cpu())
            if device.type == "cuda" and "random_cuda" in states[rank]:
                torch.cuda.set_rng_state(states[rank]["random_cuda"].cpu(), device)
        else:
            torch.random.manual_seed(seed_of(seed, rank, progress.step))
    except Exception as error:
        raise _unusable(path, error) from error
    return progress


def _unusable(path: Path, error: Exception) -> RunError:
    """Torch, zipfile and pickle raise a dozen kinds for a file that is not theirs."""
    what = (str(error) or type(error).__name__).splitlines()[0]
    return RunError(f"checkpoint {path.name} cannot be loaded ({what}); begin anew in another folder")
