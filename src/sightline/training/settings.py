"""What a training is asked to do: nested, frozen, and enough to do it again."""

from dataclasses import dataclass, field
from typing import Literal

from sightline.data import DataSettings
from sightline.errors import SettingsError
from sightline.guidance import GuidanceSettings
from sightline.models import ModelSettings
from sightline.training.optim_settings import OptimSettings
from sightline.training.precision import Precision
from sightline.training.stages import Stage


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
        stages: by name, one after the other, each from the weights that the one before kept; they take the place of
            `guidance` and `epochs`.
        seed: of the weights, the order, the augmentation and the dropout.
        precision: of the forward pass; half precision is autocast, `float16` with scaled relevance and a scaled loss,
            for GPUs that have no `bfloat16`.
        device: `auto` takes a GPU where there is one.
        select: weights to keep: `best` by the objective on the validation split, or `last`.
        accumulate: parts in which each batch is processed, one after the other, to fit into memory.
        sync_batch_norm: whether several processes normalise by the statistics of the whole batch, and not each by its
            own share.
        channels_last: whether images and weights lie in memory with the channels last, which GPUs with tensor cores
            prefer.
        compile: whether torch compiles the passes that no explanation watches; it takes minutes at the start, and
            changes the last digits and what dropout draws.
        leave_out: steps in a row that may be left out because their loss or gradient is not finite: the weights stay as
            they were, and it is told where that arises; one more fails the run.
        checkpoint_seconds: time between two checkpoints; one is written after each epoch in any case.
        tensorboard: also write TensorBoard events (extra `track`).
    """

    data: DataSettings
    name: str = "run"
    model: ModelSettings = field(default_factory=ModelSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    guidance: GuidanceSettings | None = None
    epochs: int = 48
    stages: dict[str, Stage] = field(default_factory=dict)
    seed: int = 0
    precision: Precision = "float32"
    device: str = "auto"
    select: Literal["best", "last"] = "best"
    accumulate: int = 1
    sync_batch_norm: bool = True
    channels_last: bool = False
    compile: bool = False
    leave_out: int = 3
    checkpoint_seconds: float = 60.0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if not self.name.strip(".") or "/" in self.name:
            raise SettingsError(f"name must be a plain word, got {self.name!r}")
        if self.epochs < 1:
            raise SettingsError(f"epochs must be at least 1, got {self.epochs}")
        if self.stages and self.guidance is not None:
            raise SettingsError("guidance must be null where there are stages: each stage has its own")
        if self.seed < 0:
            raise SettingsError(f"seed must be at least 0, got {self.seed}")
        if self.accumulate < 1:
            raise SettingsError(f"accumulate must be at least 1, got {self.accumulate}")
        if self.leave_out < 0:
            raise SettingsError(f"leave_out must be at least 0, got {self.leave_out}")
        if self.checkpoint_seconds < 0:
            raise SettingsError(f"checkpoint_seconds must be at least 0, got {self.checkpoint_seconds}")
        if self.model.in_channels != self.data.channels:
            gaze = " and those of data.preprocessing.gaze_input" if self.data.preprocessing.gaze_input else ""
            raise SettingsError(
                f"model.in_channels must equal data.preprocessing.channels{gaze}, "
                f"got {self.model.in_channels} and {self.data.channels}"
            )

    @property
    def all_stages(self) -> dict[str, Stage]:
        """The stages by name; a training that names none is one."""
        return self.stages or {"": Stage(self.epochs, guidance=self.guidance)}
