"""What is known about tensors while they live."""

import weakref
from typing import Generic, TypeVar

from torch import Tensor

Value = TypeVar("Value")


class ByTensor(Generic[Value]):
    """Values by the tensor itself, whatever it holds; forgotten with it.

    As torch's `WeakTensorKeyDictionary`, without the objects that it makes for each look: a forward pass that is
    watched looks ten times a layer.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Tensor], Value]] = {}

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self._known

    def __getitem__(self, tensor: Tensor) -> Value:
        return self._known[id(tensor)][1]

    def get(self, tensor: Tensor) -> Value | None:
        """Return the value of a tensor, or None."""
        known = self._known.get(id(tensor))
        return None if known is None else known[1]

    def __setitem__(self, tensor: Tensor, value: Value) -> None:
        key, known = id(tensor), self._known
        known[key] = weakref.ref(tensor, lambda _: known.pop(key, None)), value

    def __delitem__(self, tensor: Tensor) -> None:
        del self._known[id(tensor)]
