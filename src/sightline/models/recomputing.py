"""Runs a chain of modules whose activations are computed again in the backward pass instead of being kept.

What is computed again must be what was computed: in the modes, with the random numbers and the buffers of the forward
pass, and without moving the running statistics of a batch normalisation a second time.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import TracebackType

import torch
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext
from torch.utils.checkpoint import checkpoint

_State = tuple[bool, dict[str, Tensor | None]]  # mode and buffers of a module
_POOLINGS = (nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool2d, nn.AvgPool3d)


def recomputable() -> bool:
    """Whether activations are kept at all, and nobody watches how they are made.

    An explanation is drawn by the rules that it gave the functions of the forward pass. Computed again outside of its
    watch they would have none, so the engine refuses it, and all activations are kept while a model is explained.
    """
    watched = any(not isinstance(mode, DeviceContext) for mode in _get_current_function_mode_stack())  # type: ignore[no-untyped-call]
    hooks: bool = torch._C._autograd._saved_tensors_hooks_is_enabled()  # type: ignore[attr-defined]
    return torch.is_grad_enabled() and hooks and not watched


def run_recomputing(network: nn.Module, x: Tensor) -> Tensor:
    """Return `network(x)`, of whose activations only those between its segments are kept.

    A `Sequential` is cut after each pooling and around each block, so that its backward pass holds the activations of
    one segment at a time; any other module is one segment. Forward hooks of modules inside run again with them.
    """
    for segment in _segments(network):
        x = checkpoint(_chain, segment, x, use_reentrant=False, context_fn=partial(_contexts, segment))
    return x


def _chain(segment: list[nn.Module], x: Tensor) -> Tensor:
    for module in segment:
        x = module(x)
    return x


def _contexts(segment: list[nn.Module]) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _AsItWas(segment)


def _segments(network: nn.Module) -> Iterator[list[nn.Module]]:
    segment: list[nn.Module] = []
    for module in _unrolled(network):
        block = next(module.children(), None) is not None
        if block and segment:
            yield segment
            segment = []
        segment.append(module)
        if block or isinstance(module, _POOLINGS):
            yield segment
            segment = []
    if segment:
        yield segment


def _unrolled(network: nn.Module) -> Iterator[nn.Module]:
    """Go through the modules of a chain in their order; one that somebody listens to stays whole."""
    plain = type(network).forward is nn.Sequential.forward and not network._forward_hooks
    if plain and not (network._forward_pre_hooks or network._backward_hooks or network._backward_pre_hooks):
        for module in network.children():
            yield from _unrolled(module)
    else:
        yield network


class _AsItWas(AbstractContextManager[None]):
    """Puts modules back into the state they are in now, as often as it is entered, and lets them return from it."""

    def __init__(self, segment: list[nn.Module]) -> None:
        self._modules = [module for part in segment for module in part.modules()]
        self._then = _copied(self._state())
        self._now: list[_State] = []

    def __enter__(self) -> None:
        self._now = self._state()
        self._put(_copied(self._then))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put(self._now)

    def _state(self) -> list[_State]:
        return [(module.training, dict(module._buffers)) for module in self._modules]

    def _put(self, states: list[_State]) -> None:
        for module, (training, buffers) in zip(self._modules, states, strict=True):
            module.training = training
            module._buffers.update(buffers)


def _copied(states: list[_State]) -> list[_State]:
    return [
        (training, {name: buffer if buffer is None else buffer.clone() for name, buffer in buffers.items()})
        for training, buffers in states
    ]
