"""Models under `torch.compile`: passes that are watched, or differentiated twice, run as they are written."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

from torch import compiler, nn

from sightline.errors import SightlineError

_WRAPPED = "_orig_mod"  # what torch.compile(model) calls the model inside


class _Stance:
    """The stance of torch's compiler, which all threads share: eager until the last block has ended."""

    def __init__(self) -> None:
        self._alone, self._blocks, self._eager = Lock(), 0, ExitStack()
        self._set = False

    def enter(self) -> None:
        with self._alone:
            if not self._set and "torch._dynamo" in sys.modules:  # else nothing is compiled; loading it takes seconds
                self._eager.enter_context(compiler.set_stance("force_eager"))
                self._set = True
            self._blocks += 1

    def leave(self) -> None:
        with self._alone:
            self._blocks -= 1
            if not self._blocks:
                self._eager.close()
                self._set = False


_stance = _Stance()


@contextmanager
def uncompiled() -> Iterator[None]:
    """Run compiled models as they are written while the block lasts.

    What is compiled can neither be watched by modes and hooks nor be differentiated twice. The block is for forward
    passes; what comes back may be differentiated outside.

    Raises:
        SightlineError: within a function that is compiled itself.
    """
    try:
        _stance.enter()
    except RuntimeError as error:
        raise SightlineError(
            "an explanation cannot run within a compiled function; compile the model alone, by model.compile(), or put "
            "torch.compiler.disable around the call that explains"
        ) from error
    try:
        yield
    finally:
        _stance.leave()


def named_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the modules of a model by dotted name, named as before `torch.compile(model)` wrapped any of them."""
    return {plain_name(name): layer for name, layer in model.named_modules()}


def plain_name(name: str) -> str:
    """Return the dotted name of a layer without what `torch.compile(model)` adds."""
    return ".".join(part for part in name.split(".") if part != _WRAPPED)
