"""Batch normalisation over several processes, for whatever a model does within a block, explained or not."""

# ruff: noqa: ANN401 - what torch hands to a mode has no type

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from torch.overrides import TorchFunctionMode

from sightline.attribution.calls import batch_norm_call
from sightline.attribution.drawing import Drawing
from sightline.attribution.operations import name_of
from sightline.attribution.rules.batch_norm import Passing, batch_norm
from sightline.attribution.rules.shared_statistics import ADD_UP, AddUp
from sightline.compiled_models import uncompiled


class SynchronisedBatchNorm(TorchFunctionMode):
    """Normalises by the statistics of all processes while the block lasts; a model in evaluation mode is left alone.

    Args:
        add_up: adds a tensor to those of the other processes in place; each process calls it as often.
    """

    def __init__(self, add_up: AddUp) -> None:
        super().__init__()
        self._add_up = add_up
        self._guards: list[ExitStack] = []

    def __enter__(self) -> Self:
        with ExitStack() as guards:
            guards.enter_context(uncompiled())
            guards.callback(ADD_UP.reset, ADD_UP.set(self._add_up))
            self._guards.append(guards.pop_all())
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        self._guards.pop().close()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if name_of(func) == "batch_norm":
            x, norm, momentum = batch_norm_call(func, args, kwargs)
            if norm.training:
                return batch_norm(x, norm, momentum, Passing(Drawing()))[0]
        return func(*args, **kwargs)
