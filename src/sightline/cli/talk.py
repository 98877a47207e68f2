"""Talk goes to standard error: log lines, and a bar on a terminal or a line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

_log = logging.getLogger("sightline")

LINE_EVERY_S = 30.0


class Advance(Protocol):
    """How many steps are done, how many there are if that is known, and a few words about the last one."""

    def __call__(self, done: int, total: int | None, words: str = "") -> None:
        """Show it."""


Stage = Callable[[str], Advance]


class _Talk(logging.Handler):
    """Writes to what standard error is at the moment: a progress bar puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


def start_logging(verbosity: int = 0) -> None:
    """Send the log of the package to standard error.

    Args:
        verbosity: -1 for warnings only, 0 for news, 1 for everything.
    """
    for handler in list(_log.handlers):
        _log.removeHandler(handler)
    _log.addHandler(_Talk())
    _log.setLevel({-1: logging.WARNING, 1: logging.DEBUG}.get(verbosity, logging.INFO))
    _log.propagate = False


@contextmanager
def progress() -> Iterator[Stage]:
    """Show how far a work of several stages is.

    Yields:
        A function that begins a stage, given its title, and returns the function that shows how far it is.
    """
    if sys.stderr.isatty() and _log.isEnabledFor(logging.INFO):
        with _bar() as stage:
            yield stage
    else:
        yield _lines


@contextmanager
def _bar() -> Iterator[Stage]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:

        def stage(title: str) -> Advance:
            for task in bar.task_ids:
                bar.remove_task(task)
            task = bar.add_task(title, total=None, words="")

            def advance(done: int, total: int | None, words: str = "") -> None:
                bar.update(task, completed=done, total=total, words=words)

            return advance

        yield stage


def _lines(title: str) -> Advance:
    last = time.monotonic()

    def advance(done: int, total: int | None, words: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LINE_EVERY_S or done == total:
            last = now
            whole = f" of {total}" if total else ""
            _log.info("%s: %d%s%s", title, done, whole, f", {words}" if words else "")

    return advance
