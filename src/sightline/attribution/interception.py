"""The forward pass, watched: every torch function it calls either has a rule, is linear, or is refused by name.

A `TorchFunctionMode` sees a function in every spelling, as a module, functional, method or operator, in place or not,
in a module used once or ten times, and leaves nothing behind when it ends.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode

from sightline.attribution import operations, rules
from sightline.attribution.by_tensor import ByTensor
from sightline.attribution.calls import batch_norm_call, convolve, linear_call, map_of
from sightline.attribution.composites import Composite
from sightline.attribution.drawing import Drawing
from sightline.attribution.graph import RECOMPUTED, no_recomputing, reaches
from sightline.attribution.normalising import normalise
from sightline.attribution.operations import replaced, tensors_in, writes_in_place
from sightline.attribution.refusal import caller, check_rule
from sightline.attribution.rules import attention
from sightline.attribution.rules.batch_norm import Passing, batch_norm
from sightline.attribution.rules.input_layer import InputLayer
from sightline.attribution.rules.linear import LinearLayer, ruled
from sightline.attribution.rules.scale_ahead import Readers, ScaleAhead, scale_of
from sightline.compiled_models import uncompiled
from sightline.errors import UnsupportedOperationError

_IN_PARTS: dict[str, Callable[..., Any]] = {
    "scaled_dot_product_attention": attention.scaled_dot_product_attention,
    "multi_head_attention_forward": attention.multi_head_attention_forward,
}
_FUNCTION = re.compile(r"Backward\d*$")  # what autograd adds to the name of a function
_MAX_POOLING = frozenset(name for name in operations.LINEAR if "max_pool" in name)


class Interception(TorchFunctionMode):
    """Runs a forward pass whose nonlinear functions can answer with the rule of an explanation.

    Args:
        images: what the model will be called with; made from a leaf that requires gradient, or, where an input rule is
            to be applied, without gradient.
        drawing: handed to every rule.
        strict: refuse functions without a rule; otherwise they are passed by their gradient.
        input_rule: record the first linear layers, for their rule to take over there.
        whole: what arrives between the images and the logits is asked for nowhere, so scales may be applied elsewhere
            on the way.
    """

    def __init__(
        self, images: Tensor, drawing: Drawing, *, strict: bool, input_rule: bool = False, whole: bool = False
    ) -> None:
        super().__init__()
        self.drawing = drawing
        self.input_layers: list[InputLayer] = []
        self._strict, self._input_rule = strict, input_rule
        self._needed = drawing.needed
        self._scales_move = whole and strict and drawing.lrp and drawing.composite is None
        self._dependent: ByTensor[bool] = ByTensor()  # tensors that depend on the images
        self._images: ByTensor[Tensor | None] = (
            ByTensor()
        )  # those that still are the images -> by what they were multiplied
        self._outputs: ByTensor[InputLayer] = ByTensor()  # output of an input layer, before any ReLU -> that layer
        self._linear: ByTensor[LinearLayer] = ByTensor()  # output of another linear layer -> that layer
        self._scales: ByTensor[ScaleAhead] = ByTensor()  # output of a batch normalisation or the ReLU behind -> scale
        self._gates: ByTensor[str] = ByTensor()  # made to multiply something -> by which function
        self._nonnegative: ByTensor[int] = ByTensor()  # nothing below 0 -> its version then
        self._dependent[images], self._images[images] = True, None
        self._roots: list[Node] = [images.grad_fn] if images.grad_fn is not None else []
        self._guards: list[ExitStack] = []

    def __enter__(self) -> Self:
        with ExitStack() as guards:
            guards.enter_context(uncompiled())
            guards.enter_context(no_recomputing())
            self._guards.append(guards.pop_all())
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        self._guards.pop().__exit__(kind, error, trace)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        kwargs = kwargs or {}
        name = operations.name_of(func)
        plain = name.strip("_")
        if self._needed is not None:
            if plain in self._needed:
                return self._needed_only(func, name, args, kwargs)
            return operations.TWICE_DIFFERENTIABLE.get(plain, func)(*args, **kwargs)  # the map is the same either way
        read = args[0] if plain in operations.SHAPED_AS else (args, kwargs)
        tensors = tensors_in(read)
        operands = [t for t in tensors if t in self._dependent or self._came_unseen(t)]
        if not operands:
            return func(*args, **kwargs)
        func = operations.TWICE_DIFFERENTIABLE.get(plain, func)
        if self._input_rule and any(t in self._images for t in operands):
            result = self._on_images(func, plain, args, kwargs)
        elif plain in _IN_PARTS and _can_be_taken_apart(_IN_PARTS[plain], args, kwargs):
            with self:  # its parts have rules
                return _IN_PARTS[plain](*args, **kwargs)
        elif plain == "batch_norm" and len(operands) == 1:
            result = self._batch_norm(func, args, kwargs)
        elif self.drawing.lrp:
            result = self._relevance(func, name, plain, operands, args, kwargs)
        elif (
            self.drawing.rectifier == "rescale" and plain in rules.ELEMENTWISE and _reads_alone(operands, args, kwargs)
        ):
            result = self._elementwise(func, name, args, kwargs, rules.rescaled)
        elif self.drawing.rectifier == "rescale" and plain in _MAX_POOLING:
            result = rules.max_pooled(func, plain, args, kwargs, self.drawing)
        elif plain == "relu" and self.drawing.rectifier in ("guided", "deconvnet"):
            result = self._rectified(name, args, kwargs)
        elif plain in operations.CONVOLUTIONS and len(operands) == 1:
            result = convolve(args, kwargs, self.drawing)[0]
        else:
            result = func(*args, **kwargs)
        self._note(args[0] if plain == "setitem" else result, plain, operands, alone=len(operands) == len(tensors))
        return result

    def _needed_only(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the function returns
        """Call a function with its rule where the map itself hangs on it, whatever its operands depend on."""
        if name.strip("_") == "relu":
            return self._rectified(name, args, kwargs)
        _, norm, _ = batch_norm_call(func, args, kwargs)
        return self._batch_norm(func, args, kwargs) if norm.training else func(*args, **kwargs)

    def check_followed(self, logits: Tensor) -> None:
        """Check that nothing between the images and `logits` escaped the watch.

        Raises:
            UnsupportedOperationError: strict, and `logits` come from something that calls no torch function.
        """
        if logits not in self._dependent:
            self._came_unseen(logits)

    def _note(self, result: Any, plain: str, operands: list[Tensor], *, alone: bool) -> None:  # noqa: ANN401
        """Note what a function returned; `alone` says that it read no other tensors than these operands."""
        gate = plain if plain in operations.GATES else None
        if len(operands) == 1 and plain in operations.KEEP_GATE:
            gate = self._gates.get(operands[0])
        made = [tensor for tensor in tensors_in(result) if tensor.requires_grad]
        keeps = alone and plain in operations.KEEP_NONNEGATIVE and all(map(self._is_nonnegative, operands))
        for tensor in made:
            self._dependent[tensor] = True
            if keeps or plain in operations.NONNEGATIVE:
                self._nonnegative[tensor] = tensor._version
            if gate is not None:
                self._gates[tensor] = gate
            if tensor._base is not None:  # written to through a view
                self._dependent[tensor._base] = True
        if made:
            for operand in operands:
                if operand in self._linear:
                    self._linear[operand].uses += 1
                if operand in self._scales:
                    self._scales[operand].readers.reads += 1

    def _is_nonnegative(self, tensor: Tensor) -> bool:
        """Whether `tensor` is known to hold nothing below 0, and was not written to since."""
        return self._nonnegative.get(tensor) == tensor._version

    def _came_unseen(self, tensor: Tensor) -> bool:
        """Whether `tensor` depends on the images by way of something that calls no torch function."""
        node = tensor.grad_fn
        if node is None or not reaches(node, self._roots):
            return False
        if type(node).__name__ == "CheckpointFunctionBackward":  # the older kind, which saves nothing
            raise UnsupportedOperationError(RECOMPUTED)
        if self._strict:
            raise UnsupportedOperationError(
                f"LRP cannot look into '{_FUNCTION.sub('', type(node).__name__)}' (an autograd.Function, or "
                f"compiled code), whose result is read at {caller()}; "
                f"pass it by its gradient with unknown='gradient', or write it in torch operations"
            )
        self._dependent[tensor] = True
        return True

    def _relevance(
        self,
        func: Callable[..., Any],
        name: str,
        plain: str,
        operands: list[Tensor],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        """Call a function that has a rule of LRP with it; any other one as it is, if it may be."""
        if plain == "relu":
            return self._relu(name, args, kwargs)
        if plain in rules.ACTIVATIONS:
            return self._elementwise(func, name, args, kwargs, rules.activation)
        if plain in operations.LAYERS and len(operands) == 1 and self.drawing.composite is not None:
            return self._linear_layer(self.drawing.composite, func, plain, args, kwargs)
        if plain in operations.CONVOLUTIONS and len(operands) == 1 and operands[0] not in self._gates:
            return convolve(args, kwargs, self.drawing, self._scales.get)[0]
        if plain in operations.NORMALISATIONS and len(operands) == 1:
            return normalise(func, plain, args, kwargs, self.drawing)
        if plain in operations.PRODUCTS and len(operands) == 2:
            return self._product(func, name, plain, operands, args, kwargs)
        result = func(*args, **kwargs)
        if self._strict:
            gate = next((self._gates[operand] for operand in operands if operand in self._gates), None)
            check_rule(plain, operands, args, result, gate=gate)
        return result

    def _relu(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        z = args[0] if args else kwargs["input"]
        inplace = writes_in_place(name, args, kwargs)
        first = z in self._outputs
        if first and inplace:
            del self._outputs[z]
        ahead = self._scales.get(z)
        a = rules.relu(z, self.drawing, inplace=inplace, stabilised=not first)
        if ahead is not None:
            ahead.readers.made += 1
            self._scales[a] = ahead
        return a

    def _rectified(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        z = args[0] if args else kwargs["input"]
        return rules.rectified(z, self.drawing, inplace=writes_in_place(name, args, kwargs))

    def _elementwise(
        self,
        func: Callable[..., Any],
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        rule: Callable[[Tensor, Callable[[Tensor], Tensor], Drawing], Tensor],
    ) -> Tensor:
        """Apply an activation with its rule; one that works in place writes the result over its operand."""
        z = args[0] if args else kwargs["input"]
        inplace = writes_in_place(name, args, kwargs)

        def function(z: Tensor) -> Tensor:
            given = z.clone() if inplace else z
            result: Tensor = func(given, *args[1:], **kwargs) if args else func(**{**kwargs, "input": given})
            return result

        y = rule(z.clone() if inplace else z, function, self.drawing)
        return z.copy_(y) if inplace else y

    def _linear_layer(
        self,
        composite: Composite,
        func: Callable[..., Any],
        plain: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Tensor:
        linear_map, x, weight, bias = map_of(plain, args, kwargs)
        layer = LinearLayer(linear_map, 2 if plain == "linear" else weight.ndim)
        rule = composite.linear if plain == "linear" else composite.convolution
        y = func(*args, **kwargs)
        y = ruled(y, x, weight, bias, layer, rule, self.drawing, nonnegative=self._is_nonnegative(x))
        self._linear[y] = layer
        return y

    def _product(
        self,
        func: Callable[..., Any],
        name: str,
        plain: str,
        operands: list[Tensor],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Tensor:
        """Multiply two activations, and share the relevance between them: half each, or as said for a gate."""
        first, second = operands
        of_gate = self.drawing.gate if plain in operations.ELEMENTWISE else self.drawing.attention
        one, other = first in self._gates, second in self._gates
        parts = [0.5, 0.5] if one == other else [of_gate, 1 - of_gate] if one else [1 - of_gate, of_gate]
        left = iter(parts)

        def shared(tensor: Tensor) -> Tensor:
            dependent = any(tensor is operand for operand in operands)
            return rules.share(tensor, next(left), self.drawing) if dependent else tensor

        if not writes_in_place(name, args, kwargs):
            result: Tensor = func(*replaced(args, shared), **replaced(kwargs, shared))
            return result
        a, b = (rules.share(operand.clone(), part, self.drawing) for operand, part in zip(operands, parts, strict=True))
        return first.copy_(a * b)

    def _batch_norm(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        x, norm, momentum = batch_norm_call(func, args, kwargs)
        first = self._outputs.get(x)
        merges = first is not None and x.ndim == first.weight.ndim  # a linear layer may have its features elsewhere
        layer = self._linear.get(x)
        if layer is not None and layer.norm is None and x.ndim == layer.axes:
            layer.norm = norm
        readers = Readers() if self._scales_move and not merges else None
        y, inverse = batch_norm(x, norm, momentum, Passing(self.drawing, ends=merges, layer=layer, readers=readers))
        if readers is not None and inverse is not None:
            self._scales[y] = ScaleAhead(readers, norm.weight, inverse)
        if first is not None and merges:
            scale = None if inverse is None else scale_of(norm.weight, inverse)
            if first.scale is not None and scale is not None:
                scale = first.scale * scale
            self._add_input_layer(replace(first, output=y, scale=scale))
        return y

    def _on_images(self, func: Callable[..., Any], plain: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        if plain in operations.CONVOLUTIONS:
            y, x, weight, geometry = convolve(args, kwargs, self.drawing)
        elif plain == "linear":
            y, geometry = func(*args, **kwargs), None
            x, weight, _ = linear_call(args, kwargs)
        else:
            result = func(*args, **kwargs)
            keeps, factor = self._multiplied(plain, args, kwargs)
            for tensor in tensors_in(result):
                if keeps:
                    self._dependent[tensor] = True
                    self._images[tensor] = None if factor is None else factor.reshape(tensor.shape)
                elif tensor.is_floating_point():  # and not a test such as isnan
                    raise UnsupportedOperationError(
                        f"an input rule needs a convolution or linear layer first, but '{plain}' reads the images at "
                        f"{caller()}; do it before the model, or explain with input_rule=None"
                    )
            return result
        mask = self._images.get(x)
        if not y.requires_grad:  # all weights frozen: the explanation still needs somewhere to start
            y = y.requires_grad_().clone()  # no leaf: an in-place ReLU may follow
        self._add_input_layer(InputLayer(x, weight, geometry, y, mask=mask))
        return y

    def _multiplied(self, plain: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, Tensor | None]:
        """Tell whether a function of the images returns them, and by what they have then been multiplied."""
        given = [tensor for tensor in tensors_in((args, kwargs)) if tensor in self._images]
        mask: Tensor | None = self._images[given[0]]
        if plain in operations.IMAGE_KEEPING:
            return True, mask
        others = [tensor for tensor in tensors_in((args, kwargs)) if tensor not in self._images]
        if plain not in operations.ELEMENTWISE or len(given) > 1 or any(t in self._dependent for t in others):
            return False, None
        if len(others) != 1 or others[0].requires_grad:  # a number, or weights that would have to be explained
            return False, None
        return True, others[0].detach() * (torch.ones_like(given[0]) if mask is None else mask)

    def _add_input_layer(self, layer: InputLayer) -> None:
        self.input_layers.append(layer)
        self._outputs[layer.output] = layer
        if layer.output.grad_fn is not None:  # else the model runs under torch.no_grad
            self._roots.append(layer.output.grad_fn)


def _reads_alone(operands: list[Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a function depends on the images by its first argument only."""
    return len(operands) == 1 and (args[0] if args else kwargs.get("input")) is operands[0]


def _can_be_taken_apart(parts: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    given = inspect.signature(parts).bind(*args, **kwargs).arguments
    return all(given.get(name) is None or given[name] is False for name in attention.EXTENDED)
