"""Many tasks over a Dask cluster."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sightline.errors import DataNotFoundError, MissingExtraError

Task = TypeVar("Task")
Result = TypeVar("Result")


def on_cluster(
    work: Callable[[Task], Result], tasks: Sequence[Task], *, address: str
) -> Iterator[tuple[Task, Result | None]]:
    """Do tasks on a Dask cluster whose machines see the same files under the same names; yields as `in_processes`.

    Args:
        work: a function of a module, which may be done twice for one task.
        tasks: what it is called with.
        address: of the scheduler, such as `tcp://10.0.0.1:8786`.

    Raises:
        MissingExtraError: distributed is not installed.
        DataNotFoundError: nothing answers at the address.
        Exception: whatever `work` raises.
    """
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError("a Dask cluster needs the extra 'cluster': pip install 'sightline[cluster]'") from error
    dask: Any = distributed  # untyped
    try:
        client = dask.Client(address, timeout="20s")
    except (OSError, ValueError) as error:
        raise DataNotFoundError(f"no Dask scheduler answers at {address} ({type(error).__name__})") from None
    with client:
        futures = {client.submit(work, task, pure=False): task for task in tasks}
        try:
            for future in dask.as_completed(futures):
                try:
                    result = future.result()
                except dask.KilledWorker:
                    result = None
                yield futures.pop(future), result
        finally:
            client.cancel(list(futures))
