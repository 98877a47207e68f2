"""What a training is asked to do: nested, frozen, and enough to do it again."""

from dataclasses import dataclass, field
from typing import Literal

from sightline.data import DataSettings
from sightline.errors import SettingsError
from sightline.guidance import BackgroundRelevanceSettings
from sightline.models import ModelSettings


@dataclass(frozen=True)
class OptimSettings:
    """How weights follow their gradients.

    Attributes:
        name: `adamw`, or `sgd` as the papers have it.
        lr: highest learning rate, reached after the warm-up.
        momentum: of `sgd`; the papers use 0.99 at a learning rate of 1e-3.
        weight_decay: the ISNet needs none: it favours maps of zero.
        clip_norm: greatest norm of the gradient of all weights together; null for no limit.
        warmup: share of the steps over which the learning rate rises from 0, in [0, 1).
        schedule: `cosine` falls to 0 at the last step, `constant` stays.
        averaging: decay of the running average of the weights that is evaluated and kept, in [0, 1); 0 keeps the last.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    lr: float = 1e-3
    momentum: float = 0.99
    weight_decay: float = 0.0
    clip_norm: float | None = 1.0
    warmup: float = 0.1
    schedule: Literal["cosine", "constant"] = "cosine"
    averaging: float = 0.99

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise SettingsError(f"lr must be positive, got {self.lr}")
        if not 0 <= self.momentum < 1:
            raise SettingsError(f"momentum must lie in [0, 1), got {self.momentum}")
        if not self.weight_decay >= 0:
            raise SettingsError(f"weight_decay must be at least 0, got {self.weight_decay}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise SettingsError(f"clip_norm must be positive or null, got {self.clip_norm}")
        if not 0 <= self.warmup < 1:
            raise SettingsError(f"warmup must lie in [0, 1), got {self.warmup}")
        if not 0 <= self.averaging < 1:
            raise SettingsError(f"averaging must lie in [0, 1), got {self.averaging}")


@dataclass(frozen=True)
class TrainSettings:
    """One training, from cohort to weights.

    Attributes:
        data: cohort and how its images become batches.
        name: what the run is called in tables and figures.
        model: which classifier.
        optim: how its weights are changed.
        guidance: where it should look; null trains the plain classifier.
        epochs: passes over the training split.
        seed: of the weights, the order, the augmentation and the dropout.
        precision: of the forward pass; `bfloat16` is autocast.
        device: `auto` takes a GPU where there is one.
        select: weights to keep: `best` by the objective on the validation split, or `last`.
        checkpoint_seconds: time between two checkpoints; one is written after each epoch in any case.
        tensorboard: also write TensorBoard events (extra `track`).
    """

    data: DataSettings
    name: str = "run"
    model: ModelSettings = field(default_factory=ModelSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    guidance: BackgroundRelevanceSettings | None = None
    epochs: int = 48
    seed: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    device: str = "auto"
    select: Literal["best", "last"] = "best"
    checkpoint_seconds: float = 60.0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if not self.name.strip(".") or "/" in self.name:
            raise SettingsError(f"name must be a plain word, got {self.name!r}")
        if self.epochs < 1:
            raise SettingsError(f"epochs must be at least 1, got {self.epochs}")
        if self.seed < 0:
            raise SettingsError(f"seed must be at least 0, got {self.seed}")
        if self.checkpoint_seconds < 0:
            raise SettingsError(f"checkpoint_seconds must be at least 0, got {self.checkpoint_seconds}")
        if self.model.in_channels != self.data.preprocessing.channels:
            raise SettingsError(
                f"model.in_channels must equal data.preprocessing.channels, "
                f"got {self.model.in_channels} and {self.data.preprocessing.channels}"
            )
