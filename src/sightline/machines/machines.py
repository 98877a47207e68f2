"""Where tasks are done."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sightline.errors import SettingsError
from sightline.machines.cluster import on_cluster
from sightline.machines.pool import default_processes, in_processes

Progress = Callable[[int, int], None]
Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Machines:
    """Where tasks are done.

    Attributes:
        processes: of this machine; 0 for as many as it has cores and memory for.
        cluster: address of a Dask scheduler in their place; empty for none.
        gpus: of this machine, of which each process sees but one; see `shared_gpus`.
    """

    processes: int = 0
    cluster: str = ""
    gpus: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.processes < 0:
            raise SettingsError(f"processes must be at least 1, got {self.processes}")

    def do(
        self, work: Callable[[Task], Result], tasks: Sequence[Task], progress: Progress | None = None
    ) -> Iterator[tuple[Task, Result | None]]:
        """Do tasks; see `in_processes`."""
        if self.cluster:
            results = on_cluster(work, tasks, address=self.cluster)
        else:
            processes = self.processes or min(default_processes(), max(len(tasks), 1))
            results = in_processes(work, tasks, processes=processes, gpus=self.gpus)
        for done, each in enumerate(results, start=1):
            if progress is not None:
                progress(done, len(tasks))
            yield each
