"""The processes that train together: which one this is, and what they tell each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import torch.distributed as dist
from torch import Tensor, nn

from sightline.errors import RunError, SightlineError

T = TypeVar("T")
Strategy = Literal["ddp", "fsdp2"]


@dataclass(frozen=True)
class Processes:
    """One of the processes of a training; alone by default.

    Attributes:
        rank: which one, from 0.
        count: how many there are on all machines.
        local: which one on this machine, and so which of its GPUs is its own.
        strategy: `ddp` keeps all weights in each process, `fsdp2` shares them out between steps.
        restarts: how often they have been started anew, from the last checkpoint, after one of them died.
        talk: group of processes on the CPU; None for all, or alone.
    """

    rank: int = 0
    count: int = 1
    local: int = 0
    strategy: Strategy = "ddp"
    restarts: int = 0
    talk: Any = field(default=None, repr=False, compare=False)

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and talks."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there is any other."""
        return self.count > 1

    @property
    def share_weights(self) -> bool:
        """Whether each process keeps a part of every weight between steps."""
        return self.several and self.strategy == "fsdp2"

    def everyone(self, value: T) -> list[T]:
        """Give what each process gave, in their order. Each process calls this and the next ones as often."""
        if not self.several:
            return [value]
        told: list[Any] = [None] * self.count
        dist.all_gather_object(told, value, group=self.talk)
        return told

    def any(self, here: bool) -> bool:
        """Tell whether it is so in any process."""
        return any(self.everyone(here))

    def all(self, here: bool) -> bool:
        """Tell whether it is so in each process."""
        return all(self.everyone(here))

    def together(self, do: Callable[[], T], *, first_only: bool = False) -> T:
        """Do something that may fail: where it fails in one process, each raises its error.

        Args:
            do: what to do.
            first_only: only the first process does it, and the others get what it returned, which is plain.
        """
        if not self.several:
            return do()
        result: T | None = None
        error: Exception | None = None
        if self.first or not first_only:
            try:
                result = do()
            except Exception as raised:
                error = raised
        told = self.everyone((result if first_only else None, _plain(error)))
        for rank, (_, other) in enumerate(told):
            if other is not None:
                raise error if rank == self.rank and error is not None else other
        return told[0][0] if first_only else result  # type: ignore[return-value]

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Mean of each value over the processes that have it; NaN, not measured, where it is in none."""
        if not self.several:
            return dict(values)
        told = self.everyone(dict(values))
        names = dict.fromkeys(name for each in told for name in each)
        return {name: _mean([each[name] for each in told if name in each]) for name in names}

    def add_up(self, values: Tensor) -> None:
        """Add a tensor to those of the other processes, in place."""
        dist.all_reduce(values)

    def alike(self, *modules: nn.Module) -> None:
        """Give all processes the buffers of the first, where they moved apart."""
        if self.several:
            for module in modules:
                for buffer in module.buffers():
                    dist.broadcast(buffer, 0)


def _mean(values: list[float]) -> float:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else float("nan")


def _plain(error: Exception | None) -> Exception | None:
    """An error that other processes can be told."""
    if error is None or (isinstance(error, SightlineError) and len(error.args) == 1):
        return error and type(error)(str(error))
    return RunError(f"{type(error).__name__}: {' '.join(str(error).split())}")


def is_lost(error: BaseException) -> bool:
    """Tell whether an error means that another process has gone; gloo has no kind of its own for it."""
    words = ("gloo", "Gloo", "Connection closed", "Connection reset", "Broken pipe")
    if isinstance(error, SightlineError) or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, dist.DistError) or any(word in str(error) for word in words)
