"""The number of images of a traced graph as a quantity: two traces differ only where it stands."""

from typing import Any

import torch
from torch import Tensor, fx

from sightline.errors import ExportError


def for_any_batch(small: fx.GraphModule, large: fx.GraphModule, sizes: tuple[int, int]) -> fx.GraphModule:
    """Make one graph for any number of images out of two of the same function.

    A whole number that is $a$ in one and $b$ in the other is $p n + q$ for $n$ images, with $p$ and $q$ from the two.
    What a graph does is the same in both, or there is none for any number.

    Args:
        small: traced with the first number of images; changed.
        large: traced with the second.
        sizes: the two numbers, both over 1.

    Returns:
        `small`, in which the number is read from the images.

    Raises:
        ExportError: the two do different things.
    """
    one, other = list(small.graph.nodes), list(large.graph.nodes)
    if [node.target if node.op != "get_attr" else "" for node in one] != [
        node.target if node.op != "get_attr" else "" for node in other
    ]:
        raise ExportError("its operations depend on the number of images")
    (images,) = (node for node in one if node.op == "placeholder")
    with small.graph.inserting_after(images):
        count = small.graph.call_function(torch.ops.aten.sym_size.int, (images, 0))
    quantities = _Quantities(small.graph, count, sizes)
    for node, twin in zip(one, other, strict=True):
        if node.op == "get_attr":
            _check_same(getattr(small, str(node.target)), getattr(large, str(twin.target)))
        elif node.op != "placeholder":
            node.args = quantities.merged(node.args, twin.args)
            node.kwargs = quantities.merged(node.kwargs, twin.kwargs)
    small.graph.lint()
    small.recompile()
    return small


class _Quantities:
    """Numbers that depend on that of the images, each computed once, where the graph begins."""

    def __init__(self, graph: fx.Graph, count: fx.Node, sizes: tuple[int, int]) -> None:
        self._graph, self._last, self._sizes = graph, count, sizes
        self._known: dict[tuple[int, int], fx.Node] = {(1, 0): count}
        self._count = count

    def merged(self, one: Any, other: Any) -> Any:  # noqa: ANN401 - arguments of any operation
        if isinstance(one, fx.Node):
            return one
        if isinstance(one, list | tuple):
            if len(one) != len(other):
                raise ExportError("its operations depend on the number of images")
            return type(one)(self.merged(a, b) for a, b in zip(one, other, strict=True))
        if isinstance(one, dict):
            return {key: self.merged(value, other[key]) for key, value in one.items()}
        if type(one) is int and type(other) is int and one != other:
            return self._quantity(one, other)
        if one != other:
            raise ExportError("its operations depend on the number of images")
        return one

    def _quantity(self, one: int, other: int) -> fx.Node:
        small, large = self._sizes
        slope, rest = divmod(other - one, large - small)
        if rest:
            raise ExportError("its sizes are no multiples of the number of images")
        key = (slope, one - slope * small)
        if key not in self._known:
            with self._graph.inserting_after(self._last):
                product = self._graph.call_function(_times, (self._count, key[0]))
            with self._graph.inserting_after(product):
                self._known[key] = self._last = self._graph.call_function(_plus, (product, key[1]))
        return self._known[key]


def _times(a: int, b: int) -> int:
    return a * b


def _plus(a: int, b: int) -> int:
    return a + b


def _check_same(one: object, other: object) -> None:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.shape == other.shape and bool(torch.equal(one, other)):
            return
    elif one == other:
        return
    raise ExportError("its constants depend on the number of images")
