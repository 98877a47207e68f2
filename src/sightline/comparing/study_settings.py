"""What a study of several architectures is asked to do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sightline.data import DataSettings
from sightline.errors import SettingsError
from sightline.metrics.heat_ratio import Variant
from sightline.models import ModelSettings, model_names
from sightline.training import OptimSettings, TrainSettings

_NINE = ("vgg16", "vgg19", "resnet18", "resnet34", "resnet50", "resnet101", "vit_small", "vit_base", "vit_large")


@dataclass(frozen=True)
class Schedule:
    """How the models of one kind are trained.

    Attributes:
        optim: how weights follow their gradients.
        epochs: passes over the training split.
    """

    optim: OptimSettings = field(default_factory=OptimSettings)
    epochs: int = 50

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise SettingsError(f"epochs must be at least 1, got {self.epochs}")


@dataclass(frozen=True)
class StudySettings:
    """One study: train some architectures alike, and measure where Grad-CAM says that each looks.

    Attributes:
        data: cohort and how its images become batches.
        name: what the study is called.
        models: architectures to compare, each once.
        convolutional: how all but the transformers are trained.
        transformer: how the transformers are trained, those whose names begin with `vit`.
        weights: files to start from, by name of the model; the others start from random weights.
        width: channels of each model's first stage; null as published.
        layers: where Grad-CAM is drawn, by name of the model; the others as in `study_layer`.
        positive: class that is explained, and whose masks are compared; null for the second class of a binary cohort.
        split: what is tested on.
        variant: of the effective heat ratio, `area` or `quantile`.
        steps: thresholds of the effective heat ratio.
        level: of the intervals of the differences between models.
        seed: of weights, order, augmentation and dropout.
        precision: of the forward pass in training; `bfloat16` is autocast.
        device: `auto` takes a GPU where there is one.
        select: weights to keep: `best` by the objective on the validation split, or `last`.
    """

    data: DataSettings
    name: str = "study"
    models: tuple[str, ...] = _NINE
    convolutional: Schedule = field(default_factory=Schedule)
    transformer: Schedule = field(default_factory=Schedule)
    weights: dict[str, Path] = field(default_factory=dict)
    width: int | None = None
    layers: dict[str, str] = field(default_factory=dict)
    positive: str | None = None
    split: str = "test"
    variant: Variant = "area"
    steps: int = 101
    level: float = 0.95
    seed: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    device: str = "auto"
    select: Literal["best", "last"] = "best"

    def __post_init__(self) -> None:
        if not self.name.strip(".") or "/" in self.name:
            raise SettingsError(f"name must be a plain word, got {self.name!r}")
        for name in self.models:
            if name not in model_names():
                raise SettingsError(f"models must be of {', '.join(model_names())}; got {name!r}")
        if not self.models or len(set(self.models)) < len(self.models):
            raise SettingsError(f"models must be named once each, got {', '.join(self.models) or 'none'}")
        for field_name, names in (("weights", self.weights), ("layers", self.layers)):
            if unknown := [name for name in names if name not in self.models]:
                raise SettingsError(f"{field_name} must be of models of the study, got {', '.join(unknown)}")
        if self.steps < 2:
            raise SettingsError(f"steps must be at least 2, got {self.steps}")
        if not 0 < self.level < 1:
            raise SettingsError(f"level must lie in (0, 1), got {self.level}")

    def training(self, name: str) -> TrainSettings:
        """Settings of the training of one of the models."""
        schedule = self.transformer if is_transformer(name) else self.convolutional
        return TrainSettings(
            self.data,
            name=name,
            model=ModelSettings(name, self.weights.get(name), self.data.channels, width=self.width),
            optim=schedule.optim,
            epochs=schedule.epochs,
            seed=self.seed,
            precision=self.precision,
            device=self.device,
            select=self.select,
        )


def is_transformer(name: str) -> bool:
    """Whether a model of ours is a transformer."""
    return name.startswith("vit")
