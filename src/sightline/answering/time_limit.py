"""A limit on the time that a model works for one question."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from sightline.errors import TimeLimitError


@contextmanager
def limited(model: nn.Module, seconds: float | None, what: str) -> Iterator[None]:
    """Break off when the model is asked again after its time is up.

    A thread cannot be stopped from outside, but whatever takes long here asks the model many times. A hook looks at the
    clock before each forward pass; it is taken off again in the end.

    Args:
        model: that is asked.
        seconds: how long it may be asked, s; None for ever.
        what: is done, for the message.

    Raises:
        TimeLimitError: the time was up.
    """
    if seconds is None:
        yield
        return
    until = time.monotonic() + seconds

    def look(*_: object) -> None:
        if time.monotonic() > until:
            raise TimeLimitError(f"{what} took longer than {seconds:g} s; ask for fewer samples or a cheaper method")

    hook = model.register_forward_pre_hook(look)
    try:
        yield
    finally:
        hook.remove()
