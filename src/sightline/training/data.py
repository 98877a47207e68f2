"""The batches that a training goes through."""

from dataclasses import dataclass

from sightline.data import Batches, Cohort, ImageCache, chosen_batches, read_cohort
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
