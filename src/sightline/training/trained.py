"""A finished training: its settings and its model, from the folder of the run."""

from pathlib import Path

import torch
from torch import nn

from sightline import yaml12
from sightline.checking import check
from sightline.errors import DataError, RunError
from sightline.models import build_model, load_weights
from sightline.runs import RunFolder
from sightline.training.settings import TrainSettings


def open_run(path: Path) -> tuple[TrainSettings, RunFolder]:
    """Open a run and read its settings.

    Raises:
        RunError: it is no run folder.
        SettingsError: its `config.yaml` does not fit this version.
    """
    run = RunFolder.open(path)
    return check(TrainSettings, yaml12.read_file(path / "config.yaml")), run


def load_trained(settings: TrainSettings, run: RunFolder, *, num_classes: int) -> nn.Module:
    """Build the model of a run and load its final weights.

    Args:
        settings: those of the run.
        run: a finished run.
        num_classes: K, number of logits.

    Returns:
        The model in evaluation mode, on the device of the settings.

    Raises:
        RunError: the run has no final weights yet.
        DataError: they are of a model for another number of classes.
    """
    if not run.weights.is_file():
        state = run.status.get("state", "not begun")
        raise RunError(f"run {run.path.name} has no final weights (it is {state}); continue it with train --resume")
    model = build_model(settings.model, num_classes=num_classes, seed=settings.seed)
    if load_weights(model, run.weights).kept:  # fine for a start of training, not for its end
        raise DataError(f"the weights of run {run.path.name} are not of {num_classes} classes; has its cohort changed?")
    device = settings.device if settings.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    return model.to(device).eval()
