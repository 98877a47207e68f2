"""The parts of a model that its logits do not hang on: what a training needed, or what another answer needs."""

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sightline.errors import DataError, UnsupportedOperationError


class LeftOut(nn.Module):
    """Stands where a part of a model was, which its logits do not need.

    Args:
        name: dotted name of that part.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, *given: object, **named: object) -> Tensor:
        """Say that the part is not here.

        Raises:
            UnsupportedOperationError: always.
        """
        raise self._refusal()

    def __iter__(self) -> Iterator[nn.Module]:  # it may have been a list of modules
        raise self._refusal()

    def __getitem__(self, index: object) -> nn.Module:
        raise self._refusal()

    def _refusal(self) -> UnsupportedOperationError:
        return UnsupportedOperationError(
            f"'{self.name}' was left out when this classifier was exported, because its logits do not need it; "
            "ask the run itself for what it draws"
        )


def without_unread(model: nn.Module, images: Tensor) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a copy of a model without the parts whose weights its answer to `images` does not read.

    Args:
        model: in evaluation mode; left as it is.
        images: some that it takes, `(N, C, *S)`.

    Returns:
        The copy, and dotted names of the parts that are left out of it, each the largest that is. Where the copy does
        not answer as the model does, nothing is left out.
    """
    with _Reading() as reading, torch.no_grad():
        expected = model(images)
    names = tuple(_unread(model, "", reading.storages))
    whole = copy.deepcopy(model)
    if not names:
        return whole, ()
    small = leave_out(copy.deepcopy(model), names)
    try:
        with torch.no_grad():
            same = torch.equal(small(images), expected)
    except Exception:  # a model may ask a part for its attributes, in any way
        same = False
    return (small, names) if same else (whole, ())


def leave_out(model: nn.Module, names: Iterable[str]) -> nn.Module:
    """Put `LeftOut` in the place of parts of a model, in the model itself, and return it.

    Raises:
        DataError: it has no part of a name.
    """
    for name in names:
        above, _, last = name.rpartition(".")
        try:
            parts = model.get_submodule(above)._modules
        except AttributeError:
            parts = {}
        if last not in parts:
            raise DataError(f"{type(model).__name__} has no part {name!r} to leave out")
        parts[last] = LeftOut(name)
    return model


class _Reading(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's class
    """Notes the memory of every tensor that an operation is given, however it came there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.storages: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the operation returns
        kwargs = kwargs or {}
        self.storages |= {_memory(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        return func(*args, **kwargs)


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _unread(module: nn.Module, above: str, read: set[int]) -> Iterator[str]:
    for name, child in module.named_children():
        memories = {_memory(tensor) for tensor in (*child.parameters(), *child.buffers())}
        if memories and memories.isdisjoint(read):
            yield above + name
        else:
            yield from _unread(child, f"{above}{name}.", read)
