"""The batches that a training goes through."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from sightline.data import Batches, Cohort, ImageCache, chosen_batches, read_cohort
from sightline.errors import SettingsError
from sightline.training.processes import Processes
from sightline.training.settings import TrainSettings
from sightline.training.stages import Stage
from sightline.types import Batch


@dataclass(frozen=True)
class Data:
    """The batches that a training goes through, epoch after epoch."""

    cohort: Cohort
    train: Batches
    val: Batches | None


def prepare_data(settings: TrainSettings) -> Data:
    """Read the cohort and set up the batches of its training and validation splits.

    Raises:
        DataError: the cohort cannot be used, or has no training split.
    """
    cohort = read_cohort(settings.data.cohort)
    data, cache = settings.data, ImageCache(settings.data.cache_mib, settings.data.cache_dir)
    train_split = cohort.split("train")
    train_batches = chosen_batches(
        data,
        train_split,
        seed=settings.seed,
        augment=True,
        batch_size=min(data.batch_size, len(train_split.cases)),
        drop_last=True,  # batch statistics of one or two images are worth nothing
        cache=cache,
    )
    val = chosen_batches(data, cohort.split("val"), cache=cache) if "val" in cohort.splits else None
    return Data(cohort, train_batches, val)


def stage_batches(data: Data, settings: TrainSettings, stage: Stage, processes: Processes) -> Batches:
    """Return the batches that a stage trains on, of which this process has its share.

    Raises:
        SettingsError: they are too small for each process to have a share of each part.
    """
    size = min(stage.batch_size or settings.data.batch_size, len(data.train.cohort.cases))
    least = settings.accumulate * processes.count
    if least > size:
        raise SettingsError(
            f"a batch of {size} images is too small for {processes.count} processes and accumulate="
            f"{settings.accumulate}; it must have at least {least}"
        )
    share = processes.rank, processes.count
    return replace(data.train, batch_size=size, share=share, parts=settings.accumulate)


def moved(batch: Batch, device: torch.device, *, channels_last: bool = False) -> Batch:
    """Bring a batch to a device."""
    images, labels, regions = (part.to(device) for part in (batch.images, batch.labels, batch.regions))
    if channels_last:
        images = images.to(memory_format=_channels_last(images.ndim))
    return replace(batch, images=images, labels=labels, regions=regions)


def lay_channels_last(model: nn.Module) -> None:
    """Lay out the weights of convolutions in memory with the channels last."""
    for weight in model.parameters():
        if weight.ndim in (4, 5):
            weight.data = weight.data.contiguous(memory_format=_channels_last(weight.ndim))


def _channels_last(axes: int) -> torch.memory_format:
    return torch.channels_last if axes == 4 else torch.channels_last_3d
