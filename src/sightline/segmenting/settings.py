"""What the training of a segmenter is asked to do, and the two recipes for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sightline.data import Augmentation, Preprocessing
from sightline.errors import SettingsError
from sightline.stores import address_checked
from sightline.training import OptimSettings


@dataclass(frozen=True)
class NetworkSettings:
    """The U-Net; see `sightline.models.unet`.

    Attributes:
        width: channels of the first stage.
        depth: how often the resolution is halved.
        batch_norm: normalise after each convolution.
    """

    width: int = 8
    depth: int = 4
    batch_norm: bool = True

    def __post_init__(self) -> None:
        if min(self.width, self.depth) < 1:
            raise SettingsError(f"width and depth must be at least 1, got {self.width} and {self.depth}")


@dataclass(frozen=True)
class SegmenterSettings:
    """One training of a segmenter; the defaults are the practical recipe.

    Attributes:
        cohort: folder of the cohort, or its table; images without a mask are left out.
        size: side of the network's square input, pixels; images are made grey and their histograms equalised.
        channels: channels of the network's input; grey is repeated.
        pad_to_square: see `sightline.data.Preprocessing`.
        augmentation: how training images and their masks are moved at random; null for not at all.
        network: the U-Net.
        optim: how its weights are changed.
        epochs: passes over the training split.
        batch_size: images a batch.
        seed: of the weights, the order and the augmentation.
        workers: threads that prepare batches ahead of time; 0 prepares them in between steps.
        cache_mib: memory for prepared images, MiB.
        device: `auto` takes a GPU where there is one.
        checkpoint_seconds: time between two checkpoints; one is written after each epoch in any case.
    """

    cohort: Path
    size: int = 128
    channels: int = 1
    pad_to_square: Literal["never", "evaluation", "always"] = "always"
    augmentation: Augmentation | None = field(
        default_factory=lambda: Augmentation(translate=0.1, rotate_degrees=15.0, flip=0.5)
    )
    network: NetworkSettings = field(default_factory=NetworkSettings)
    optim: OptimSettings = field(default_factory=lambda: OptimSettings(lr=4e-3))
    epochs: int = 12
    batch_size: int = 16
    seed: int = 0
    workers: int = 0
    cache_mib: float = 4096.0
    device: str = "auto"
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        address_checked(self.cohort)
        if min(self.epochs, self.batch_size) < 1:
            raise SettingsError(f"epochs and batch_size must be at least 1, got {self.epochs} and {self.batch_size}")
        if min(self.seed, self.workers, self.cache_mib, self.checkpoint_seconds) < 0:
            raise SettingsError("seed, workers, cache_mib and checkpoint_seconds must be at least 0")
        if self.optim.schedule == "plateau":
            raise SettingsError("optim.schedule must be cosine, constant or triangular2 for a segmenter, got plateau")
        if self.size < 2**self.network.depth:
            raise SettingsError(f"size must be at least 2 ** depth = {2**self.network.depth}, got {self.size}")

    @property
    def preprocessing(self) -> Preprocessing:
        """How images become the network's input."""
        return Preprocessing(size=self.size, channels=self.channels, pad_to_square=self.pad_to_square)


def practical(cohort: Path) -> SegmenterSettings:
    """Return the recipe that a CPU trains in minutes: a narrow U-Net on 128 pixels."""
    return SegmenterSettings(cohort)


def paper(cohort: Path) -> SegmenterSettings:
    """Return the recipe of the paper: a full U-Net on 224 pixels for 600 epochs; it needs a GPU.

    The papers give the batch as 10 to 16 images. Their code has batch normalisation, and two logits a pixel under a
    softmax; one logit under a sigmoid is the same function.

    Reference:
        Bassi et al. 2024 (ISNet), 4.9 and 4.10; U-Net segmenter.
    """
    optim = OptimSettings(
        name="sgd", lr=1e-4, momentum=0.99, clip_norm=1.0, warmup=0.0, schedule="constant", averaging=0.0
    )
    return SegmenterSettings(
        cohort,
        size=224,
        channels=3,
        pad_to_square="evaluation",
        augmentation=Augmentation(),
        network=NetworkSettings(width=64),
        optim=optim,
        epochs=600,
    )


RECIPES: dict[str, Callable[[Path], SegmenterSettings]] = {"practical": practical, "paper": paper}
