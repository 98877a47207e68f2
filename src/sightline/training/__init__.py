"""The training loop and its settings."""

from sightline.training.cost import StepCost, step_cost
from sightline.training.joining import find_place, joined
from sightline.training.loop import train
from sightline.training.optim_settings import OptimSettings
from sightline.training.processes import Processes
from sightline.training.settings import TrainSettings
from sightline.training.stages import Stage, only_training, training_mode
from sightline.training.trained import load_trained, open_run

__all__ = [
    "OptimSettings",
    "Processes",
    "Stage",
    "StepCost",
    "TrainSettings",
    "find_place",
    "joined",
    "load_trained",
    "only_training",
    "open_run",
    "step_cost",
    "train",
    "training_mode",
]
