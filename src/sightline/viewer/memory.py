"""What was read or computed lately, kept in memory up to a budget."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class _HasBytes(Protocol):
    @property
    def nbytes(self) -> int: ...


Sized = TypeVar("Sized", bound=_HasBytes)


class Memory(Generic[Sized]):
    """Keeps what was asked for last; what was asked for longest ago goes first. Any number of threads may ask.

    Args:
        budget: most bytes to keep; one thing is kept even if it is larger.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._kept: OrderedDict[Hashable, Sized] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], Sized]) -> Sized:
        """Return what is kept under a key, or make it; two threads that ask for one thing make it once."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            turn = self._making.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            try:
                made = make()
                self._keep(key, made)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return made

    def forget(self, chosen: Callable[[Hashable], bool]) -> None:
        """Forget what is kept under the keys chosen."""
        with self._lock:
            for key in [key for key in self._kept if chosen(key)]:
                del self._kept[key]

    def _keep(self, key: Hashable, made: Sized) -> None:
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > 1 and sum(each.nbytes for each in self._kept.values()) > self._budget:
                self._kept.popitem(last=False)
