"""Backward operations of a traced graph, rewritten as forward ones, which every runtime has.

What a graph of an explanation does backwards is linear in what arrives: the input gradient of a convolution is a
transposed convolution, that of a maximum is a sum at its places, and that of an average or an interpolation, which go
axis by axis, is a product with the transposed matrix of each axis.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from sightline.errors import ExportError

aten = torch.ops.aten


def rewrite_backwards(graph_module: fx.GraphModule) -> fx.GraphModule:
    """Replace the backward operations of a graph that `make_fx` traced, in the graph itself, and return it.

    Raises:
        ExportError: there is one that has no such form here.
    """
    graph = graph_module.graph
    for node in list(graph.nodes):
        rewrite = _REWRITES.get(node.target)
        if rewrite is not None:
            with graph.inserting_before(node):
                _put_in_place(node, rewrite(graph_module, node))
    graph.eliminate_dead_code()
    graph_module.recompile()
    left = sorted({str(node.target) for node in graph.nodes if "backward" in str(node.target)} - _DECOMPOSED)
    if left:
        raise ExportError(f"'{left[0]}' of this explanation has no form as a forward operation; choose another method")
    return graph_module


def _put_in_place(node: fx.Node, value: fx.Node) -> None:
    """Let the users of a node read another, or of an operation of several results its first one."""
    if node.target is aten.convolution_backward.default:
        for user in list(node.users):
            if user.args[1] == 0:
                value.meta = dict(user.meta)  # its shape, for what reads it
                user.replace_all_uses_with(value)
            elif user.users:
                raise ExportError("this explanation differentiates by weights, which no exported graph does")
    else:
        value.meta = dict(node.meta)
        node.replace_all_uses_with(value)


def _shape(node: Any) -> tuple[int, ...]:  # noqa: ANN401 - a node, as the arguments of another hold it
    return tuple(node.meta["tensor_meta"].shape if "tensor_meta" in node.meta else node.meta["val"].shape)


def _convolution(module: fx.GraphModule, node: fx.Node) -> fx.Node:
    """The input gradient of a convolution, or of a transposed one."""
    c, x, weight, _, stride, padding, dilation, transposed, _, groups, _ = node.args
    strides, pads, steps = (_list(values, len(_shape(x)) - 2) for values in (stride, padding, dilation))
    sides, kernel, given = _shape(x)[2:], _shape(weight)[2:], _shape(c)[2:]
    rest = [0] * len(sides)
    if not transposed:  # what the stride left over at the far end
        reached = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(given, strides, pads, steps, kernel, strict=True)
        ]
        rest = [side - end for side, end in zip(sides, reached, strict=True)]
    made: fx.Node = module.graph.call_function(
        aten.convolution.default, (c, weight, None, strides, pads, steps, not transposed, rest, groups)
    )
    return made


def _list(values: Any, n: int) -> list[int]:  # noqa: ANN401 - as an operation has it
    return list(values) * (n if len(values) == 1 else 1)


def _maximum(module: fx.GraphModule, node: fx.Node) -> fx.Node:
    """Sum what arrives at the places of the maxima."""
    c, x, indices = node.args[0], node.args[1], node.args[-1]
    graph = module.graph
    like = graph.call_function(aten.zeros_like.default, (x,))
    at = [graph.call_function(aten.flatten.using_ints, (each, 2)) for each in (like, indices, c)]
    summed = graph.call_function(aten.scatter_add.default, (at[0], 2, at[1], at[2]))
    made: fx.Node = graph.call_function(aten.view_as.default, (summed, x))
    return made


def _by_axes(forward: Callable[[fx.Node, Tensor, int], Tensor]) -> Callable[[fx.GraphModule, fx.Node], fx.Node]:
    """The gradient of what is done axis by axis: a product with the transposed matrix of each.

    Args:
        forward: from the node, rows of numbers along one axis, `(1, n, n)`, and the axis, to what is made of each row.
    """

    def rewrite(module: fx.GraphModule, node: fx.Node) -> fx.Node:
        c: Any = node.args[0]
        sides = _sides_before(node)
        for axis, side in enumerate(sides):
            matrix = _matrix(forward, node, axis, side)  # (after, before)
            name = _add_constant(module, matrix)
            graph = module.graph
            last = graph.call_function(aten.transpose.int, (c, 2 + axis, -1))
            product = graph.call_function(aten.matmul.default, (last, graph.get_attr(name)))
            c = graph.call_function(aten.transpose.int, (product, 2 + axis, -1))
        made: fx.Node = c
        return made

    return rewrite


def _matrix(forward: Callable[..., Tensor], node: fx.Node, axis: int, side: int) -> Tensor:
    rows: Tensor = forward(node, torch.eye(side)[None], axis)[0]  # a unit at each place, and what it becomes
    return rows.T.contiguous()


def _sides_before(node: fx.Node) -> tuple[int, ...]:
    """Spatial sides of the input of the operation whose gradient a node is."""
    return _shape(node)[2:]


def _add_constant(module: fx.GraphModule, value: Tensor) -> str:
    name = f"_matrix{sum(key.startswith('_matrix') for key in module._buffers)}"
    module.register_buffer(name, value)
    return name


def _average(node: fx.Node, rows: Tensor, axis: int) -> Tensor:
    _, _, kernel, stride, padding, ceil, include, divisor = (*node.args, *(None,) * 8)[:8]
    axes = len(_shape(node)) - 2
    if ceil or divisor or (not include and any(padding)):  # type: ignore[arg-type]
        raise ExportError("an average pooling of this kind has no form as a forward operation; choose another method")
    size = _list(kernel, axes)[axis]
    step = _list(stride or kernel, axes)[axis]
    return F.avg_pool1d(rows, size, step, _list(padding, axes)[axis])


def _adaptive(node: fx.Node, rows: Tensor, axis: int) -> Tensor:
    return F.adaptive_avg_pool1d(rows, _shape(node.args[0])[2 + axis])


def _nearest(node: fx.Node, rows: Tensor, axis: int) -> Tensor:
    return F.interpolate(rows, size=_shape(node.args[0])[2 + axis], mode="nearest")


def _linear(node: fx.Node, rows: Tensor, axis: int) -> Tensor:
    corners = bool(node.args[3])
    return F.interpolate(rows, size=_shape(node.args[0])[2 + axis], mode="linear", align_corners=corners)


_REWRITES: dict[Any, Callable[[fx.GraphModule, fx.Node], fx.Node]] = {
    aten.convolution_backward.default: _convolution,
    aten.max_pool2d_with_indices_backward.default: _maximum,
    aten.max_pool3d_with_indices_backward.default: _maximum,
    aten.adaptive_max_pool2d_backward.default: _maximum,
    aten.adaptive_max_pool3d_backward.default: _maximum,
    aten.avg_pool2d_backward.default: _by_axes(_average),
    aten.avg_pool3d_backward.default: _by_axes(_average),
    aten._adaptive_avg_pool2d_backward.default: _by_axes(_adaptive),
    aten._adaptive_avg_pool3d_backward.default: _by_axes(_adaptive),
    aten.upsample_nearest2d_backward.default: _by_axes(_nearest),
    aten.upsample_nearest3d_backward.default: _by_axes(_nearest),
    aten.upsample_bilinear2d_backward.default: _by_axes(_linear),
    aten.upsample_trilinear3d_backward.default: _by_axes(_linear),
}
# Those that torch's own tables take apart
_DECOMPOSED = {
    f"aten.{name}"
    for name in (
        *("threshold_backward.default", "gelu_backward.default", "silu_backward.default", "sigmoid_backward.default"),
        *("tanh_backward.default", "hardtanh_backward.default", "_softmax_backward_data.default"),
        *("native_layer_norm_backward.default", "native_group_norm_backward.default", "select_backward.default"),
        *("slice_backward.default", "elu_backward.default", "leaky_relu_backward.default"),
        *("hardsigmoid_backward.default", "softplus_backward.default", "_log_softmax_backward_data.default"),
        *("hardswish_backward.default", "native_batch_norm_backward.default"),
    )
}
