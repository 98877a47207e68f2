"""One epoch as batches that can be made again exactly, from any step of any epoch."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from sightline.data.cohort import Cohort
from sightline.data.planted_bias import Bias
from sightline.errors import DataError, SettingsError
from sightline.types import Batch


@dataclass(frozen=True, kw_only=True)
class Batches(ABC):
    """The batches of one epoch, to iterate over any number of times; `batches` makes one and explains the fields."""

    cohort: Cohort
    batch_size: int
    seed: int | None
    epoch: int = 0
    start: int = 0
    bias: Bias = "on"
    workers: int = 0
    drop_last: bool = False

    def __post_init__(self) -> None:
        least = min(self.workers, self.epoch, self.start, self.seed or 0)
        if self.batch_size < 1 or least < 0:
            raise SettingsError(
                f"batch_size must be at least 1 and seed, epoch, start, workers at least 0, "
                f"got {self.batch_size}, {self.seed}, {self.epoch}, {self.start}, {self.workers}"
            )
        if not self.cohort.cases:
            raise DataError("no images: the cohort is empty")

    @property
    def total(self) -> int:
        """Number of batches of a whole epoch."""
        full, rest = divmod(len(self.cohort.cases), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __len__(self) -> int:
        return max(self.total - self.start, 0)

    def at(self, epoch: int, start: int = 0) -> Self:
        """Return the batches of another epoch from batch `start` on; prepared images are shared."""
        return replace(self, epoch=epoch, start=start)

    def __iter__(self) -> Iterator[Batch]:
        order = self._order()
        chunks = [order[b * self.batch_size : (b + 1) * self.batch_size] for b in range(self.start, self.total)]
        return _ahead(self.make, chunks, self.workers)

    @abstractmethod
    def make(self, indices: Sequence[int]) -> Batch:
        """Make the batch of the cases of these indices, as they are in this epoch."""

    def generator(self, seed: int, *index: int) -> np.random.Generator:
        """Return the generator of the order, or with `index` of one image, in this epoch."""
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(self.epoch, *index)))

    def _order(self) -> Sequence[int]:
        count = len(self.cohort.cases)
        return range(count) if self.seed is None else self.generator(self.seed).permutation(count).tolist()


def check_variants(cohort: Cohort, bias: Bias) -> None:
    """Refuse a cohort of which a case lacks the variant that is asked for.

    Raises:
        DataError: a case lacks it.
    """
    for case in cohort.cases:
        if bias != "on" and bias not in case.variants:
            raise DataError(
                f"{cohort.name(case.image)} has no variant with its bias {bias}; "
                f"add a column 'image:{bias}', or plant the bias in training"
            )


def _ahead(make: Callable[[Sequence[int]], Batch], chunks: Sequence[Sequence[int]], workers: int) -> Iterator[Batch]:
    """Yield `make(chunk)` of each chunk in order, made by `workers` threads ahead of time."""
    if not workers:
        yield from map(make, chunks)
        return
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[Batch]] = deque()
        try:
            for chunk in chunks:
                pending.append(pool.submit(make, chunk))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
