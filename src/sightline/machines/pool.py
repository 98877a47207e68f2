"""Many tasks over processes of this machine.

A process that is killed loses nothing but its own task, which another takes up; a task that has ended three processes
is given up, since it would end the next one, too. If the main process is killed, the others end after their tasks.
"""

import logging
import multiprocessing
import multiprocessing.resource_tracker as resource_tracker
import os
import pickle
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from sightline.errors import LostWorkError
from sightline.machines.gpus import gpu_of

Task = TypeVar("Task")
Result = TypeVar("Result")
ATTEMPTS = 3
_MEMORY_GIB = 3  # of one task, for the number of processes
_BEGAN, _DONE, _FAILED, _GONE = range(4)  # what a process answers


def default_processes() -> int:
    """Number of processes that this machine has cores and memory for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return cores
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return max(min(cores, int(memory // _MEMORY_GIB)), 1)


def in_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], *, processes: int, gpus: Sequence[str] = ()
) -> Iterator[tuple[Task, Result | None]]:
    """Do tasks in processes of this machine, as they get done.

    Args:
        work: a function of a module, which may be done twice for one task.
        tasks: what it is called with, one after the other.
        processes: how many, which share out the threads of one; one does the tasks in this process.
        gpus: of which each process sees but one, see `shared_gpus`; none to choose none.

    Yields:
        Each task once with its result, or with None if it ended `ATTEMPTS` processes.

    Raises:
        LostWorkError: processes end before they begin.
        Exception: whatever `work` raises; the other processes are ended.
    """
    if processes == 1:
        yield from ((task, work(task)) for task in tasks)
        return
    waiting, attempts, unborn = deque(range(len(tasks))), [0] * len(tasks), 0
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < processes:
                number = next(each for each in range(processes) if each not in {worker.number for worker in workers})
                workers.append(_Worker.start(work, processes, number, gpu_of(number, gpus)))
                workers[-1].give(waiting.popleft(), tasks)
            ready = wait([worker.pipe for worker in workers])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                index = worker.index
                kind, answer = worker.answer()
                if kind == _BEGAN:
                    unborn = 0
                elif kind == _FAILED:
                    raise answer
                elif kind == _DONE and waiting:
                    worker.give(waiting.popleft(), tasks)
                else:
                    workers.remove(worker)
                    worker.end()
                if kind == _GONE:
                    unborn += not worker.began
                    if unborn >= ATTEMPTS:
                        raise LostWorkError(
                            "processes end before they begin; is the main module guarded, as for spawn?"
                        )
                    attempts[index] += worker.began
                    if attempts[index] < ATTEMPTS:
                        waiting.append(index)
                        continue
                if kind != _BEGAN:
                    yield tasks[index], answer
    finally:
        for worker in workers:
            worker.end(now=True)


@dataclass
class _Worker:
    """A process, the pipe to it, its number among those there are, and the task it has."""

    process: BaseProcess
    pipe: "Connection[Any, Any]"
    number: int
    index: int = -1
    began: bool = False

    @classmethod
    def start(cls, work: Callable[[Any], Any], processes: int, number: int, gpu: str) -> "_Worker":
        """Start a process."""
        context = _context(work)
        ours, theirs = context.Pipe()
        environment = dict(os.environ) | ({"CUDA_VISIBLE_DEVICES": gpu} if gpu else {})
        process = context.Process(target=_serve, args=(theirs, work, processes, environment), daemon=True)
        with _without_interrupts():
            process.start()
        theirs.close()  # so that the end of the process ends the pipe
        return cls(process, ours, number)

    def give(self, index: int, tasks: Sequence[Any]) -> None:
        """Hand over a task; a process that is gone is noticed when its answer is waited for."""
        self.index = index
        with suppress(ConnectionError):
            self.pipe.send(tasks[index])

    def answer(self) -> tuple[int, Any]:
        """Take what the process says."""
        try:
            kind, answer = self.pipe.recv()
        except (EOFError, ConnectionError):
            return _GONE, None
        self.began = True
        return kind, answer

    def end(self, *, now: bool = False) -> None:
        """Let the process end, or end it in the midst of its task."""
        self.pipe.close()
        if now:
            self.process.terminate()
        self.process.join()


def _serve(
    pipe: "Connection[Any, Any]", work: Callable[[Any], Any], processes: int, environment: Mapping[str, str]
) -> None:
    """Do what comes through the pipe until it is closed."""
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)  # the server of forks has that of its own beginning
    import torch

    logging.getLogger("sightline").addHandler(logging.NullHandler())  # the main process talks
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process hears it, and ends this one
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not before it has tidied up
    torch.set_num_threads(max(torch.get_num_threads() // processes, 1))
    with suppress(ConnectionError):
        pipe.send((_BEGAN, None))
    while True:
        try:
            task = pipe.recv()
        except (EOFError, ConnectionError):  # the main process is done, or gone
            return
        try:
            answer = (_DONE, work(task))
        except Exception as error:  # for the main process to raise
            answer = (_FAILED, _sendable(error))
        with suppress(ConnectionError):
            pipe.send(answer)


def _sendable(error: Exception) -> Exception:
    """Return an error that goes through a pipe, in words where it does not."""
    error.add_note(f"in a process of its own:\n{''.join(traceback.format_exception(error))}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever an error of somebody raises
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _context(work: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - a context of any kind
    """Return how processes are started: not as copies of this one, whose threads may hold locks."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([work.__module__, "torch"])  # once, and not in each process
    return context


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C cannot break off while they start, with a page of tracebacks."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
