"""What a run says about its data."""

from dataclasses import dataclass, field
from pathlib import Path

from sightline.data.planted_bias import PlantedBias
from sightline.data.prepared import Preprocessing
from sightline.data.transforms import Augmentation
from sightline.data.volume_input import VolumeInput
from sightline.errors import SettingsError
from sightline.stores import address_checked


@dataclass(frozen=True)
class DataSettings:
    """Which cohort, and how its images become batches.

    Attributes:
        cohort: folder of the cohort, or its table; also in a store, as `s3://bucket/folder`.
        preprocessing: how images become the model's input.
        augmentation: how training images are moved at random; null for not at all.
        bias: an artificial background bias to plant in training and validation; null for none.
        batch_size: images a batch.
        workers: threads that prepare batches ahead of time; 0 prepares them in between steps.
        erase_background: blacken what lies outside the region, which shows what the region alone is good for.
        cache_mib: memory for prepared images, MiB.
        cache_dir: folder where prepared images are kept for later runs and for other processes; null for nowhere.
        volume: how volumes become the model's input, instead of `preprocessing` and `augmentation`; null for images.
    """

    cohort: Path
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    bias: PlantedBias | None = None
    batch_size: int = 16
    workers: int = 0
    erase_background: bool = False
    cache_mib: float = 4096.0
    cache_dir: Path | None = None
    volume: VolumeInput | None = None

    def __post_init__(self) -> None:
        address_checked(self.cohort)
        if self.batch_size < 1:
            raise SettingsError(f"batch_size must be at least 1, got {self.batch_size}")
        if self.workers < 0:
            raise SettingsError(f"workers must be at least 0, got {self.workers}")
        if self.cache_mib < 0:
            raise SettingsError(f"cache_mib must be at least 0, got {self.cache_mib}")
        if self.volume is not None and (self.bias is not None or self.erase_background):
            raise SettingsError("bias and erase_background are for images; leave them out, or set volume to null")

    @property
    def channels(self) -> int:
        """Channels of the model's input: those of the image, and behind them those of the gaze."""
        if self.volume is not None:
            return 1
        gaze = self.preprocessing.gaze_input
        return self.preprocessing.channels + (gaze.channels if gaze else 0)
