"""The training loop and its settings."""

from sightline.training.loop import Data, make_guidance, prepare_data, train
from sightline.training.settings import OptimSettings, TrainSettings

__all__ = ["Data", "OptimSettings", "TrainSettings", "make_guidance", "prepare_data", "train"]
