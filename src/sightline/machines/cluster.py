"""Many tasks over a Dask cluster."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, TypeVar

from sightline.errors import DataNotFoundError, LostWorkError, MissingExtraError

_log = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")
SILENT_S = 10.0
"""Time without any worker after which that is said."""
_PAUSE_S, _LOOK_S = 0.05, 1.0  # between looks at what is done, and at who is there
_KILLED = object()  # in place of a result


def on_cluster(
    work: Callable[[Task], Result], tasks: Sequence[Task], *, address: str
) -> Iterator[tuple[Task, Result | None]]:
    """Do tasks on a Dask cluster whose machines see the same files under the same names; yields as `in_processes`.

    Where all workers are gone, that is said, and new ones are waited for.

    Args:
        work: a function of a module, which may be done twice for one task.
        tasks: what it is called with.
        address: of the scheduler, such as `tcp://10.0.0.1:8786`.

    Raises:
        MissingExtraError: distributed is not installed.
        DataNotFoundError: nothing answers at the address.
        LostWorkError: the scheduler has gone.
        Exception: whatever `work` raises.
    """
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError("a Dask cluster needs the extra 'cluster': pip install 'sightline[cluster]'") from error
    dask: Any = distributed  # untyped
    with _quiet():
        try:
            client = dask.Client(address, timeout="20s")
        except (OSError, ValueError) as error:
            what = f"no Dask scheduler answers at {address} ({type(error).__name__})"
            raise DataNotFoundError(what) from None
        with client:
            watch, suspects = Watch(address), []
            for task, result in _results(dask, client, work, tasks, watch):
                if result is _KILLED and len(tasks) > 1:
                    suspects.append(task)
                else:
                    yield task, None if result is _KILLED else result
            for suspect in suspects:  # a worker that dies takes the blame of all that it had; now each has its own
                for task, result in _results(dask, client, work, [suspect], watch):
                    yield task, None if result is _KILLED else result


class Watch:
    """Says when a cluster has had no worker for a while, and when it has one again.

    Args:
        address: of the cluster, for the words.
        clock: seconds.
    """

    def __init__(self, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.address, self._clock = address, clock
        self._since: float | None = None
        self._said = False

    def see(self, workers: int) -> None:
        """Take note of how many there are now."""
        if workers:
            if self._said:
                _log.warning("%s has a worker again, going on", self.address)
            self._since, self._said = None, False
            return
        now = self._clock()
        self._since = now if self._since is None else self._since
        if not self._said and now - self._since >= SILENT_S:
            self._said = True
            _log.warning("%s has no worker; waiting for one, Ctrl-C ends it", self.address)


def _results(
    dask: Any,  # noqa: ANN401 - untyped
    client: Any,  # noqa: ANN401 - untyped
    work: Callable[[Task], Any],
    tasks: Sequence[Task],
    watch: Watch,
) -> Iterator[tuple[Task, Any]]:
    """Submit tasks, and yield each with its result as it comes, or with `_KILLED`."""
    futures = {client.submit(work, task, pure=False): task for task in tasks}
    try:
        coming, looked = dask.as_completed(futures), -_LOOK_S
        while futures:
            if coming.has_ready():
                future = next(coming)
                try:
                    result = future.result()
                except dask.KilledWorker:
                    result = _KILLED
                yield futures.pop(future), result
                continue
            if time.monotonic() - looked >= _LOOK_S:
                watch.see(len(client.scheduler_info()["workers"]))
                looked = time.monotonic()
            time.sleep(_PAUSE_S)
    except (CancelledError, OSError) as error:
        if not isinstance(error, CancelledError) and client.status == "running":  # so it is an error of the work
            raise
        what = f"the Dask scheduler at {watch.address} has gone; what is done stays done, the same command continues"
        raise LostWorkError(what) from error
    finally:
        client.cancel(list(futures))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep distributed from telling in a page of its own what is said in one line."""
    log = logging.getLogger("distributed")
    before = {each: each.level for each in (log, log.getChild("client"))}
    for each in before:
        each.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for each, level in before.items():
            each.setLevel(level)
