"""What a comparison of two maps with the outlines of objects is asked to do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sightline.data import DataSettings
from sightline.errors import SettingsError
from sightline.metrics.resampling import Resampling
from sightline.models import ModelSettings
from sightline.training import OptimSettings, TrainSettings


@dataclass(frozen=True)
class VocCamsSettings:
    """One study: train a classifier of several labels, and compare its HiResCAM and Grad-CAM with the outlines.

    Attributes:
        data: cohort and how its images become batches; of several labels, with masks of each class.
        name: what the study is called.
        model: which classifier.
        trained: weights of a classifier of these classes to take, such as `model.safetensors` of a run; null trains
            one.
        optim: how its weights are changed.
        epochs: passes over the training split.
        layer: where both maps are drawn; null for the last convolution of a VGG, and as in `study_layer` else.
        calibration: split that the thresholds are chosen on.
        calibration_images: most images to choose them by, evenly from the whole split.
        split: what is tested on.
        resampling: how the intervals are drawn.
        seed: of weights, order, augmentation and dropout.
        precision: of the forward pass in training; `bfloat16` is autocast.
        device: `auto` takes a GPU where there is one.
        select: weights to keep: `best` by the objective on the validation split, or `last`.
    """

    data: DataSettings
    name: str = "voc-cams"
    model: ModelSettings = field(default_factory=lambda: ModelSettings("vgg16"))
    trained: Path | None = None
    optim: OptimSettings = field(default_factory=OptimSettings)
    epochs: int = 30
    layer: str | None = None
    calibration: str = "train"
    calibration_images: int = 1000
    split: str = "val"
    resampling: Resampling = field(default_factory=Resampling)
    seed: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    device: str = "auto"
    select: Literal["best", "last"] = "last"

    def __post_init__(self) -> None:
        if self.calibration == self.split:
            raise SettingsError(f"calibration must be another split than what is tested on, got {self.split} for both")
        if self.calibration_images < 1:
            raise SettingsError(f"calibration_images must be at least 1, got {self.calibration_images}")
        self.training()  # whose settings have limits of their own

    def training(self) -> TrainSettings:
        """Settings of the training of the classifier."""
        return TrainSettings(
            self.data,
            name=self.name,
            model=self.model,
            optim=self.optim,
            epochs=self.epochs,
            seed=self.seed,
            precision=self.precision,
            device=self.device,
            select=self.select,
        )
