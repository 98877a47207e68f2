"""One epoch as batches that can be made again exactly, from any step of any epoch."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import numpy as np

from sightline.data.case_table import has_file
from sightline.data.cohort import Cohort
from sightline.data.images import Array
from sightline.data.planted_bias import Bias
from sightline.errors import DataError, SettingsError
from sightline.types import Batch


@dataclass(frozen=True, kw_only=True)
class Batches(ABC):
    """The batches of one epoch, to iterate over any number of times; `batches` makes one and explains the fields.

    Attributes:
        share: which process this is, from 0, and of how many: of each batch it has its share and no other's. The order
            is the same in all processes, whatever their number.
        parts: that a batch is processed in, one after the other; of each the process has its share.
        stride: from `start` on, each how manieth batch there is.
    """

    cohort: Cohort
    batch_size: int
    seed: int | None
    epoch: int = 0
    start: int = 0
    bias: Bias = "on"
    workers: int = 0
    drop_last: bool = False
    share: tuple[int, int] = (0, 1)
    parts: int = 1
    stride: int = 1

    def __post_init__(self) -> None:
        least = min(self.workers, self.epoch, self.start, self.seed or 0)
        if self.batch_size < 1 or least < 0:
            raise SettingsError(
                f"batch_size must be at least 1 and seed, epoch, start, workers at least 0, "
                f"got {self.batch_size}, {self.seed}, {self.epoch}, {self.start}, {self.workers}"
            )
        if not self.cohort.cases:
            raise DataError("no images: the cohort is empty")
        if not 0 <= self.share[0] < self.share[1] or self.parts < 1 or self.stride < 1:
            raise SettingsError(
                f"share must be (process, processes), parts and stride at least 1, "
                f"got {self.share}, {self.parts} and {self.stride}"
            )

    @property
    def total(self) -> int:
        """Number of batches of a whole epoch."""
        full, rest = divmod(len(self.cohort.cases), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def _numbers(self) -> range:
        return range(self.start, self.total, self.stride)

    def at(self, epoch: int, start: int = 0) -> Self:
        """Return the batches of another epoch from batch `start` on; prepared images are shared."""
        return replace(self, epoch=epoch, start=start)

    def __iter__(self) -> Iterator[Batch]:
        order = self._order()
        chunks = (order[b * self.batch_size : (b + 1) * self.batch_size] for b in self._numbers)
        return _ahead(self.make, (self._own(chunk.tolist()) for chunk in chunks), self.workers)

    def shares(self, count: int) -> list[list[range]]:
        """Tell which images of a batch of `count` each process has, by their place in it: part by part."""
        return [evenly(part, self.share[1]) for part in evenly(range(count), self.parts)]

    def _own(self, chunk: Sequence[int]) -> Sequence[int]:
        rank, of = self.share
        if of == 1:
            return chunk
        return [chunk[place] for part in self.shares(len(chunk)) for place in part[rank]]

    @abstractmethod
    def make(self, indices: Sequence[int]) -> Batch:
        """Make the batch of the cases of these indices, as they are in this epoch."""

    def generator(self, seed: int, *index: int) -> np.random.Generator:
        """Return the generator of the order, or with `index` of one image, in this epoch."""
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(self.epoch, *index)))

    def _order(self) -> Array:
        """Return the index of each case in the order of the epoch, `(N,)` int64."""
        count = len(self.cohort.cases)
        return np.arange(count) if self.seed is None else self.generator(self.seed).permutation(count)


def evenly(places: range, count: int) -> list[range]:
    """Cut places into `count` pieces in a row whose lengths differ by one at most."""
    ends = [-(-len(places) * piece // count) for piece in range(count + 1)]
    return [places[start:end] for start, end in pairwise(ends)]


def check_variants(cohort: Cohort, bias: Bias) -> None:
    """Refuse a cohort of which a case lacks the variant that is asked for.

    Raises:
        DataError: a case lacks it.
    """
    there = has_file(cohort.cases, "variants", bias)
    if bias != "on" and not there.all():
        case = cohort.cases[int(there.argmin())]
        raise DataError(
            f"{cohort.name(case.image)} has no variant with its bias {bias}; "
            f"add a column 'image:{bias}', or plant the bias in training"
        )


def _ahead(make: Callable[[Sequence[int]], Batch], chunks: Iterable[Sequence[int]], workers: int) -> Iterator[Batch]:
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
