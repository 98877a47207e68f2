"""The batches that the settings of a run ask for: of images or of volumes."""

from sightline.data.batches import batches
from sightline.data.cohort import Cohort
from sightline.data.epochs import Batches
from sightline.data.planted_bias import Bias
from sightline.data.prepared_cache import ImageCache
from sightline.data.settings import DataSettings
from sightline.data.volume_batches import volume_batches


def chosen_batches(
    data: DataSettings,
    cohort: Cohort,
    *,
    seed: int | None = None,
    augment: bool = False,
    bias: Bias = "on",
    batch_size: int | None = None,
    drop_last: bool = False,
    cache: ImageCache | None = None,
) -> Batches:
    """Return the batches of the first epoch of some cases; `at` gives those of others.

    Args:
        data: what a run says about its data.
        cohort: the cases, all of them: pass `cohort.split("train")`.
        seed: steers order and augmentation; None keeps the order of the cohort.
        augment: move cases at random as the settings say; needs a seed.
        bias: the known bias as it is, `off` or `swapped`.
        batch_size: cases a batch; None takes that of the settings.
        drop_last: leave out the last batch if it is not full.
        cache: keeps what is prepared; None makes one as the settings say.

    Raises:
        SettingsError: an argument is out of its range.
        DataError: the cohort is empty, or a case lacks what was asked for. While iterating: a file cannot be used.
    """
    size, cache = batch_size or data.batch_size, cache or ImageCache(data.cache_mib, data.cache_dir)
    if data.volume is not None:
        return volume_batches(
            cohort,
            data.volume,
            batch_size=size,
            seed=seed,
            augment=augment,
            bias=bias,
            workers=data.workers,
            drop_last=drop_last,
            cache=cache,
        )
    return batches(
        cohort,
        data.preprocessing,
        batch_size=size,
        seed=seed,
        augmentation=data.augmentation if augment else None,
        planted=data.bias,
        bias=bias,
        erase_background=data.erase_background,
        workers=data.workers,
        drop_last=drop_last,
        cache=cache,
    )
