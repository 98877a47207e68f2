"""Weights that are whole only while they are used: each process keeps a part of every one, by torch's FSDP2.

Torch's modules for it take a second to import, so only who shards imports them.
"""

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import torch
from torch import nn

from sightline.errors import SettingsError
from sightline.training.processes import Processes

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.tensor import DTensor

Module = TypeVar("Module", bound=nn.Module)


def check_shardable(*modules: nn.Module) -> None:
    """Check that torch can share out the weights of modules.

    Raises:
        SettingsError: one has no axis to share out along, or lies in memory with the channels last.
    """
    for name, weight in (named for module in modules for named in module.named_parameters()):
        if weight.ndim == 0:
            raise SettingsError(f"--strategy fsdp2 cannot share out {name}, a single number; take --strategy ddp")
        if not weight.is_contiguous():
            raise SettingsError(
                "--strategy fsdp2 cannot share out weights with channels_last=true; leave out one of them"
            )


def shard(module: nn.Module, device: torch.device, processes: Processes) -> "FSDPModule":
    """Share out the weights of a module, in place, as one unit: whole in its forward and backward pass.

    One unit, since an explanation is differentiated within the forward pass: no layer may give its weights back before
    the end of it.

    Args:
        module: which becomes an `FSDPModule` as well; its parts stay of their classes.
        device: that it is on.
        processes: each calls this, with the same weights.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    return fully_shard(module, mesh=init_device_mesh(device.type, (processes.count,)), reshard_after_forward=False)


def emptied(module: Module) -> Module:
    """Copy a module, its weights without values or memory until `load_state_dict(..., assign=True)` gives them."""
    empty = {
        id(weight): nn.Parameter(torch.empty_like(weight, device="meta"), requires_grad=weight.requires_grad)
        for weight in module.parameters()
    }
    return copy.deepcopy(module, empty)


@contextmanager
def whole(*modules: nn.Module) -> Iterator[None]:
    """Have all weights of modules in each process until the block ends; what is not shared out is left alone."""
    shared: list[FSDPModule] = [module for module in modules if _is_shared_out(module)]
    for module in shared:
        module.unshard()
    try:
        yield
    finally:
        for module in shared:
            module.reshard()


def whole_state(part: Any) -> Any:  # noqa: ANN401 - what has a state
    """Put together the state of a module or an optimiser; each process calls this, and gets all of it, in main memory.

    Args:
        part: what has `state_dict`; where nothing in it is shared out, it is the state as it lies.
    """
    return _gathered(part.state_dict())


def load_state(part: Any, state: dict[str, Any]) -> None:  # noqa: ANN401 - what has a state
    """Load a whole state into what may be shared out; each process calls this.

    Args:
        part: module, optimiser or other that has `load_state_dict`.
        state: from `whole_state`, on the device of `part`.
    """
    state = copy.copy(state)
    if isinstance(part, nn.Module):
        own = part.state_dict()
        state.update({name: _divided(value, own.get(name)) for name, value in state.items()})
    elif isinstance(part, torch.optim.Optimizer):
        weights = [weight for group in part.param_groups for weight in group["params"]]
        state["state"] = {
            number: {name: _divided(value, weights[number]) for name, value in each.items()}
            for number, each in state["state"].items()
        }
    part.load_state_dict(state)


def is_part(value: object) -> "TypeGuard[DTensor]":
    """Tell whether a tensor is the part that this process has of one."""
    tensors = sys.modules.get("torch.distributed.tensor")
    return tensors is not None and isinstance(value, tensors.DTensor)


def _is_shared_out(module: nn.Module) -> "TypeGuard[FSDPModule]":
    engine = sys.modules.get("torch.distributed.fsdp")
    return engine is not None and isinstance(module, engine.FSDPModule)


def _gathered(value: Any) -> Any:  # noqa: ANN401 - a state, nested
    if is_part(value):
        return value.full_tensor().cpu()
    if isinstance(value, dict):
        value = copy.copy(value)  # with what torch notes beside a state, its version
        value.update({name: _gathered(each) for name, each in value.items()})
    return value


def _divided(value: Any, like: Any) -> Any:  # noqa: ANN401 - a value of a state
    """The share that this process has of a value, if what it is for is shared out."""
    if is_part(like) and isinstance(value, torch.Tensor) and value.shape == like.shape:
        from torch.distributed.tensor import distribute_tensor

        return distribute_tensor(value, like.device_mesh, like.placements)
    return value
