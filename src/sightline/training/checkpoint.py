"""Everything a training needs to go on as if it had never stopped."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sightline.errors import RunError
from sightline.runs import atomic_path


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

    def begin_stage(self, epochs: int) -> None:
        """Go on to the next stage, after so many epochs of the one before."""
        self.stage, self.began, self.epochs = self.stage + 1, self.step, self.epochs + epochs
        self.best, self.stale, self.waited, self.factor = float("inf"), 0, 0, 1.0


def save_checkpoint(path: Path, parts: dict[str, Any], progress: Progress, device: torch.device) -> None:
    """Write the state of each part, the progress and torch's random state, atomically.

    Args:
        path: of the file.
        parts: what has `state_dict` and `load_state_dict`, by name.
        progress: so far.
        device: that the training runs on.
    """
    state = {name: part.state_dict() for name, part in parts.items()}
    state["progress"] = vars(progress)
    state["random"] = torch.random.get_rng_state()
    if device.type == "cuda":
        state["random_cuda"] = torch.cuda.get_rng_state(device)
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


def load_checkpoint(path: Path, parts: dict[str, Any], device: torch.device) -> Progress:
    """Restore what `save_checkpoint` wrote.

    Raises:
        RunError: the file is not a checkpoint, or of another model.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        progress = Progress(**state["progress"])
        torch.random.set_rng_state(state["random"].cpu())
        if device.type == "cuda" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"].cpu(), device)
    except Exception as error:
        raise _unusable(path, error) from error
    return progress


def _unusable(path: Path, error: Exception) -> RunError:
    """Torch, zipfile and pickle raise a dozen kinds for a file that is not theirs."""
    what = (str(error) or type(error).__name__).splitlines()[0]
    return RunError(f"checkpoint {path.name} cannot be loaded ({what}); begin anew in another folder")
