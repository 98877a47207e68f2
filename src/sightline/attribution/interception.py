"""The forward pass, watched: every torch function it calls either has a rule, is linear, or is refused by name.

A `TorchFunctionMode` sees a function in every spelling, as a module, functional, method or operator, in place or not,
in a module used once or ten times, and leaves nothing behind when it ends.
"""

import os
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from sightline.attribution import rules
from sightline.attribution.drawing import Drawing
from sightline.attribution.graph import reaches
from sightline.attribution.rules.convolution import Geometry
from sightline.attribution.rules.input_layer import InputLayer
from sightline.errors import UnsupportedOperationError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Maps that are linear in the one operand that depends on the images: their transpose is their gradient. Max pooling is
# here because winner-takes-all is its gradient. Names are without the underscores that mark a method or in-place twin.
LINEAR = _words(
    """
    add radd iadd sub rsub isub subtract neg positive cat concat concatenate stack hstack vstack dstack
    sum mean view view_as reshape reshape_as flatten unflatten ravel squeeze unsqueeze permute transpose swapaxes
    swapdims movedim moveaxis t T mT H mH real adjoint contiguous clone to type type_as float double half bfloat16 cpu
    cuda expand expand_as broadcast_to repeat repeat_interleave tile chunk split split_with_sizes tensor_split unbind
    getitem setitem index_select gather take_along_dim narrow select slice diagonal roll flip rot90 pad constant_pad_nd
    unfold fold interpolate upsample pixel_shuffle pixel_unshuffle channel_shuffle copy masked_fill where
    avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
    max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices
    adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d adaptive_max_pool1d_with_indices
    adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices amax
    dropout dropout1d dropout2d dropout3d feature_dropout stochastic_depth
    detach requires_grad retain_grad register_hook
    """
)
# Linear in each operand: one of them at most may depend on the images
BILINEAR = _words(
    """
    conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d conv_transpose3d linear
    mul rmul imul multiply matmul rmatmul mm bmm addmm addbmm baddbmm einsum tensordot mv dot inner bilinear
    """
)
# Linear in what is divided
QUOTIENT = _words("div idiv truediv itruediv divide true_divide")
# The same values in the same or another layout: what is still "the images" for the input rule
_IMAGE_KEEPING = _words("contiguous clone to type float double half bfloat16 cpu cuda flatten reshape view")

_CONVOLUTIONS = frozenset(("conv1d", "conv2d", "conv3d"))
_NOT_THE_CALLER = tuple(f"{Path(module).resolve().parent}{os.sep}" for module in (__file__, torch.__file__))


class Interception(TorchFunctionMode):
    """Runs a forward pass whose nonlinear functions can answer with the rule of an explanation.

    Args:
        images: what the model will be called with; made from a leaf that requires gradient, or, where an input rule is
            to be applied, without gradient.
        drawing: handed to every rule.
        strict: refuse functions without a rule; otherwise they are passed by their gradient.
        input_rule: record the first linear layers, for their rule to take over there.
    """

    def __init__(self, images: Tensor, drawing: Drawing, *, strict: bool, input_rule: bool = False) -> None:
        super().__init__()
        self.drawing = drawing
        self.input_layers: list[InputLayer] = []
        self._strict, self._input_rule = strict, input_rule
        self._dependent = WeakTensorKeyDictionary()  # tensors that depend on the images
        self._images = WeakTensorKeyDictionary()  # those that still are the images
        self._outputs = WeakTensorKeyDictionary()  # output of an input layer, before any ReLU -> that layer
        self._dependent[images] = self._images[images] = True
        self._roots: list[Node] = [images.grad_fn] if images.grad_fn is not None else []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        kwargs = kwargs or {}
        operands = [t for t in _tensors((args, kwargs)) if t in self._dependent or self._came_unseen(t)]
        if not operands:
            return func(*args, **kwargs)
        name = _name(func)
        plain = name.strip("_")
        if self._input_rule and any(t in self._images for t in operands):
            result = self._on_images(func, plain, args, kwargs)
        elif self.drawing.epsilon is not None and plain == "relu":
            result = self._relu(name, args, kwargs)
        elif plain in _CONVOLUTIONS and len(operands) == 1:
            result = _convolve(args, kwargs, self.drawing)[0]
        elif plain == "batch_norm" and len(operands) == 1:
            result = self._batch_norm(func, args, kwargs)
        else:
            result = func(*args, **kwargs)
            if self._strict:
                self._check(func, plain, operands, args, result)
        self._note(args[0] if plain == "setitem" else result)
        return result

    def check_followed(self, logits: Tensor) -> None:
        """Check that nothing between the images and `logits` escaped the watch.

        Raises:
            UnsupportedOperationError: strict, and `logits` come from something that calls no torch function.
        """
        if logits not in self._dependent:
            self._came_unseen(logits)

    def _note(self, result: Any) -> None:  # noqa: ANN401 - whatever the function returned
        for tensor in _tensors(result):
            if tensor.requires_grad:
                self._dependent[tensor] = True
                if tensor._base is not None:  # written to through a view
                    self._dependent[tensor._base] = True

    def _came_unseen(self, tensor: Tensor) -> bool:
        """Whether `tensor` depends on the images by way of something that calls no torch function."""
        node = tensor.grad_fn
        if node is None or not reaches(node, self._roots):
            return False
        if self._strict:
            raise UnsupportedOperationError(
                f"LRP cannot look into '{type(node).__name__.removesuffix('Backward')}' (an autograd.Function, or "
                f"compiled code), whose result is read at {_caller()}; "
                f"pass it by its gradient with LRP(unknown='gradient'), or write it in torch operations"
            )
        self._dependent[tensor] = True
        return True

    def _relu(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        z = args[0] if args else kwargs["input"]
        inplace = name.endswith("_") or bool(kwargs.get("inplace", args[1] if len(args) > 1 else False))
        first = z in self._outputs
        if first and inplace:
            del self._outputs[z]
        return rules.relu(z, self.drawing, inplace=inplace, stabilised=not first)

    def _batch_norm(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        statistics, affine = ("running_mean", "running_var"), ("weight", "bias")
        order = (*statistics, *affine) if func is F.batch_norm else (*affine, *statistics)  # torch.batch_norm differs
        names = ("input", *order, "training", "momentum", "eps")
        given = dict(zip(names, args, strict=False)) | kwargs
        x, mean, var = given["input"], given["running_mean"], given["running_var"]
        weight, bias = given.get("weight"), given.get("bias")
        training, momentum, eps = given.get("training", False), given.get("momentum", 0.1), given.get("eps", 1e-5)
        layer: InputLayer | None = self._outputs.get(x)  # type: ignore[no-untyped-call]
        merges = layer is not None and x.ndim == layer.weight.ndim  # a linear layer may have its features elsewhere
        y = rules.batch_norm(x, mean, var, weight, bias, training, momentum, eps, self.drawing, ends=merges)
        if layer is not None and merges:
            scale = rules.channel_scale(x, var, weight, training, eps)
            scale = scale if layer.scale is None else layer.scale * scale
            self._add_input_layer(replace(layer, output=y, scale=scale))
        return y

    def _on_images(self, func: Callable[..., Any], plain: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        if plain in _CONVOLUTIONS:
            y, x, weight, geometry = _convolve(args, kwargs, self.drawing)
        elif plain == "linear":
            y, geometry = func(*args, **kwargs), None
            x, weight = (*args, kwargs.get("weight"))[:2] if args else (kwargs["input"], kwargs["weight"])
        else:
            result = func(*args, **kwargs)
            keeps = plain in _IMAGE_KEEPING
            for tensor in _tensors(result):
                if keeps:
                    self._dependent[tensor] = self._images[tensor] = True
                elif tensor.is_floating_point():  # and not a test such as isnan
                    raise UnsupportedOperationError(
                        f"an input rule needs a convolution or linear layer first, but '{plain}' reads the images at "
                        f"{_caller()}; do it before the model, or explain with input_rule=None"
                    )
            return result
        if not y.requires_grad:  # all weights frozen: the explanation still needs somewhere to start
            y = y.requires_grad_().clone()  # no leaf: an in-place ReLU may follow
        self._add_input_layer(InputLayer(x, weight, geometry, y))
        return y

    def _add_input_layer(self, layer: InputLayer) -> None:
        self.input_layers.append(layer)
        self._outputs[layer.output] = layer
        if layer.output.grad_fn is not None:  # else the model runs under torch.no_grad
            self._roots.append(layer.output.grad_fn)

    def _check(
        self,
        func: Callable[..., Any],
        plain: str,
        operands: list[Tensor],
        args: tuple[Any, ...],
        result: Any,  # noqa: ANN401 - whatever the function returned
    ) -> None:
        if not any(t.requires_grad for t in _tensors(result)):
            return  # a shape, an index, a constant: nothing is passed back through it
        if plain in LINEAR:
            return
        if plain in BILINEAR and len(operands) == 1:
            return
        if plain in QUOTIENT and len(operands) == 1 and args and _first_tensor(args) is operands[0]:
            return
        many = " of two activations" if plain in BILINEAR | QUOTIENT and len(operands) > 1 else ""
        raise UnsupportedOperationError(
            f"LRP has no rule for '{plain}'{many}, called at {_caller()}; "
            f"pass it by its gradient with LRP(unknown='gradient'), or use another explainer"
        )


def _convolve(
    args: tuple[Any, ...], kwargs: dict[str, Any], drawing: Drawing
) -> tuple[Tensor, Tensor, Tensor, Geometry]:
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    given = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1} | dict(zip(names, args, strict=False))
    given |= kwargs
    x, weight, bias = given["input"], given["weight"], given["bias"]
    n = weight.ndim - 2
    stride, dilation = _each_axis(given["stride"], n), _each_axis(given["dilation"], n)
    padding, far = given["padding"], (0,) * n
    if padding == "same":
        reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        padding, far = tuple(r // 2 for r in reach), tuple(r % 2 for r in reach)
    geometry = Geometry(stride, _each_axis(0 if padding == "valid" else padding, n), dilation, given["groups"], far)
    if torch.is_autocast_enabled(x.device.type) and x.dtype != torch.float64:  # autocast leaves float64 alone
        dtype = torch.get_autocast_dtype(x.device.type)
        low, low_weight = x.to(dtype), weight.to(dtype)
        y = rules.convolution(low, low_weight, None if bias is None else bias.to(dtype), geometry, drawing)
    else:
        y = rules.convolution(x, weight, bias, geometry, drawing)
    return y, x, weight, geometry


def _each_axis(value: int | tuple[int, ...], n: int) -> tuple[int, ...]:
    return (value,) * n if isinstance(value, int) else tuple(value) * (n if len(value) == 1 else 1)


def _name(func: Callable[..., Any]) -> str:
    name: str = getattr(func, "__name__", str(func))
    if name == "__get__":  # a property such as x.T: the descriptor knows its own name
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    return name


def _tensors(value: Any) -> list[Tensor]:  # noqa: ANN401 - arguments or results of any function
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return []
    return [tensor for item in value for tensor in _tensors(item)]


def _first_tensor(args: tuple[Any, ...]) -> Tensor | None:
    found = _tensors(args)
    return found[0] if found else None


def _caller() -> str:
    """File and line of the innermost frame that is neither torch's nor this package's."""
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(_NOT_THE_CALLER):
            return f"{Path(frame.filename).name}:{frame.lineno} ({frame.name})"
    return "an unknown place"
