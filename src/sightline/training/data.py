"""The batches that a training goes through."""

from dataclasses import dataclass
from typing import Any

from sightline.data import Batches, Cohort, ImageCache, batches, read_cohort
from sightline.training.settings import TrainSettings


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
    common: dict[str, Any] = {
        "planted": data.bias,
        "erase_background": data.erase_background,
        "workers": data.workers,
        "cache": cache,
    }
    train_split = cohort.split("train")
    train_batches = batches(
        train_split,
        data.preprocessing,
        batch_size=min(data.batch_size, len(train_split.cases)),
        seed=settings.seed,
        augmentation=data.augmentation,
        drop_last=True,  # batch statistics of one or two images are worth nothing
        **common,
    )
    val = None
    if "val" in cohort.splits:
        val = batches(cohort.split("val"), data.preprocessing, batch_size=data.batch_size, seed=None, **common)
    return Data(cohort, train_batches, val)
