r"""Means over a batch of which each process has a share.

Where a batch is shared among $W$ processes, the gradient that they average is that of $\frac1W \sum_w L_w$. A loss
that is a mean, $\sum_i l_i / n$ over all things counted, keeps its value if each process divides its own sum by the
mean count $\bar n = n / W$:

$$\frac1W \sum_w \frac{\sum_{i \in w} l_i}{\bar n} = \frac{\sum_i l_i}{n}$$

So a guidance writes `sum / mean_over_processes(count)` in place of `sum / count`, and decides by `found` what the
images of one process must not decide alone. With one process, or outside a training, both are what they are given.

All processes ask the same questions in the same order; what is asked comes with its place in the code, and an answer
that belongs to another place is an error, not a wrong number.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from sightline.errors import RunError

Number = TypeVar("Number", float, Tensor)


@dataclass(frozen=True)
class Share:
    """The share that this process has of a batch.

    Attributes:
        first: images of the batch that come before it.
        batch: images of the whole batch.
        ask: takes a value and gives those of all processes, in their order; each process calls it as often.
        side_by_side: whether forward passes of the processes wait for each other, so that none may be left out.
    """

    first: int
    batch: int
    ask: Callable[[Any], list[Any]]
    side_by_side: bool = False


_SHARE: ContextVar[Share | None] = ContextVar("share", default=None)


@contextmanager
def sharing(share: Share | None) -> Iterator[None]:
    """Let guidances know, while the block lasts, that their images are a share of a batch; None: they are all of it.

    Raises:
        RunError: at its end, where another process has asked more, or less, than this one.
    """
    token = _SHARE.set(share)
    try:
        yield
        _ask("the end of the step", None)
    finally:
        _SHARE.reset(token)


def mean_over_processes(value: Number) -> Number:
    """Mean of a number over the processes; alone, the number itself.

    Args:
        value: a count or a measured value, of any shape, off the graph.

    Returns:
        Like it; a tensor on its device, in float32 at least where there are several processes.
    """
    if _SHARE.get() is None:
        return value
    if not isinstance(value, Tensor):
        values: list[float] = _ask("a count", float(value))
        return sum(values) / len(values)
    own = value.detach()
    told = torch.stack(_ask("a count", own.to("cpu", torch.float64))).mean(0)
    return told.to(own.device, own.dtype if own.is_floating_point() else torch.get_default_dtype())


def found(mask: Tensor) -> bool:
    """Tell whether anything is True, in any process."""
    here = bool(mask.any())
    return here if _SHARE.get() is None else any(_ask("a decision", here))


def gathered(values: Tensor) -> Tensor:
    """Put the values `(n,)` of all processes one behind the other; alone, the values themselves, off the graph."""
    if _SHARE.get() is None:
        return values
    return torch.cat(_ask("values", values.detach().cpu())).to(values)


def rows_of_batch(count: int) -> tuple[slice, int]:
    """Tell which images of the batch a process has, and how many the batch has, so that draws for all are the same.

    Args:
        count: images that the process has.
    """
    share = _SHARE.get()
    return (slice(0, count), count) if share is None else (slice(share.first, share.first + count), share.batch)


def side_by_side() -> bool:
    """Tell whether a forward pass must be made even of no images, because those of other processes wait for it."""
    share = _SHARE.get()
    return share is not None and share.side_by_side


def _ask(what: str, value: Any) -> list[Any]:  # noqa: ANN401 - any plain value
    share = _SHARE.get()
    if share is None:
        return [value]
    told = share.ask((what, value))
    others = sorted({other for other, _ in told} - {what})
    if others:
        raise RunError(
            f"the processes took different ways through the guidance ({what}, {', '.join(others)}); let it decide by "
            "sightline.guidance.sharing.found, not by the images of one process"
        )
    return [each for _, each in told]
