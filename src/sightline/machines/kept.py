"""What a process opens once and uses for many tasks, such as a model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Kept(Generic[Thing]):
    """The thing that a process opened last; one task at a time has it, also where a process has several threads.

    A module that holds one holds it for its process.
    """

    def __init__(self) -> None:
        self._alone = Lock()
        self._held: tuple[str, Thing] | None = None

    @contextmanager
    def of(self, key: str, open_it: Callable[[], Thing]) -> Iterator[Thing]:
        """Yield what belongs to a key; what belonged to another is let go of before it is opened."""
        with self._alone:
            if self._held is None or self._held[0] != key:
                self._held = None
                self._held = key, open_it()
            yield self._held[1]
