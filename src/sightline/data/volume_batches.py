"""Batches of the volumes of a cohort, with the regions of each class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch

from sightline.data.cohort import Cohort
from sightline.data.epochs import Batches, check_variants
from sightline.data.planted_bias import Bias
from sightline.data.prepared_cache import ImageCache
from sightline.data.volume_input import VolumeInput, VolumeLoader
from sightline.data.volume_motion import VolumeAugmentation, draw_motion
from sightline.errors import SettingsError
from sightline.types import Batch


@dataclass(frozen=True, kw_only=True)
class VolumeBatches(Batches):
    """The batches of one epoch of volumes; `volume_batches` makes one and explains the fields."""

    loader: VolumeLoader
    augmentation: VolumeAugmentation | None = None

    def make(self, indices: Sequence[int]) -> Batch:
        """Make the batch of the volumes of these indices, as they are in this epoch."""
        cases = [self.cohort.cases[index] for index in indices]
        variant = "" if self.bias == "on" else self.bias
        grid = self.loader.settings.grid or self.loader.settings.shape
        unknown = torch.full(grid, torch.nan)
        volumes, regions = [], []
        for index, case in zip(indices, cases, strict=True):
            volume = torch.from_numpy(self.loader.volume(case, variant).pixels.astype(np.float32)).div_(65535)
            maps = [unknown if m is None else torch.from_numpy(m).float() / 255 for m in self.loader.regions(case)]
            allowed = torch.stack(maps)
            if self.augmentation is not None and self.seed is not None:
                motion = draw_motion(self.augmentation, self.generator(self.seed, index))
                volume, allowed = motion.apply(volume), motion.apply(allowed)
            volumes.append(volume[None])
            regions.append(allowed)
        labels = torch.tensor([case.label for case in cases])
        return Batch(torch.stack(volumes), labels, torch.stack(regions), tuple(case.id for case in cases))


def volume_batches(
    cohort: Cohort,
    settings: VolumeInput,
    *,
    batch_size: int,
    seed: int | None,
    augment: bool = False,
    bias: Bias = "on",
    workers: int = 0,
    drop_last: bool = False,
    cache: ImageCache | None = None,
) -> VolumeBatches:
    """Return the batches of the first epoch; `at` gives those of others.

    Args:
        cohort: the volumes, all of them: pass `cohort.split("train")`.
        settings: how volumes become the model's input.
        batch_size: volumes a batch.
        seed: steers order and augmentation, at least 0; None keeps the order of the cohort.
        augment: move volumes as the settings say; needs a seed.
        bias: the known bias as it is, or the variant of the volume that is `off` or `swapped`.
        workers: threads that prepare batches ahead of time; the batches are the same.
        drop_last: leave out the last batch if it is not full.
        cache: keeps prepared volumes.

    Raises:
        SettingsError: an argument is out of its range.
        DataError: the cohort is empty, or a case lacks the variant. While iterating: a file cannot be used.
    """
    if bias not in get_args(Bias):
        raise SettingsError(f"bias must be one of {', '.join(get_args(Bias))}, got {bias!r}")
    if augment and seed is None:
        raise SettingsError("augmentation needs a seed; without one volumes come in order and as they are")
    check_variants(cohort, bias)
    return VolumeBatches(
        cohort=cohort,
        loader=VolumeLoader(cohort, settings, cache or ImageCache()),
        batch_size=batch_size,
        seed=seed,
        augmentation=settings.augmentation if augment else None,
        bias=bias,
        workers=workers,
        drop_last=drop_last,
    )
