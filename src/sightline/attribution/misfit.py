"""Says in words why a model did not take the images, where the layer that broke off shows it."""

import traceback

import torch
from torch import Tensor, nn


def misfit(model: nn.Module, images: Tensor, error: Exception) -> str | None:
    """Explain an error of a forward pass by the layer that it came from and what that layer was given.

    Args:
        model: whose forward pass broke off.
        images: what it was called with, `(N, C, *S)`.
        error: that it raised.

    Returns:
        One line: what the layer takes, what came, what to do; None where the cause is something else.
    """
    found = _broken_off(model, error)
    if found is None:
        return None
    name, layer, given = found
    where = f"layer '{name}' ({type(layer).__name__})" if name else f"the model ({type(layer).__name__})"
    return _wrong_axes(model, images) or _wrong_size(where, layer, images, given) or _apart(where, layer, images, given)


def _broken_off(model: nn.Module, error: Exception) -> tuple[str, nn.Module, Tensor] | None:
    """The innermost layer that was running, its dotted name, and the tensor it was called with."""
    names = {module: name for name, module in model.named_modules()}
    found = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        arguments = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        first, second = (frame.f_locals.get(name) for name in (*arguments, "", "")[:2])
        if isinstance(first, nn.Module) and first in names and isinstance(second, Tensor):
            found = names[first], first, second
    return found


def _wrong_axes(model: nn.Module, images: Tensor) -> str | None:
    """Whether images lack the axis of the batch, or have more axes than the first convolution can take."""
    sizes = (getattr(module, "kernel_size", None) for module in model.modules() if hasattr(module, "in_channels"))
    axes = next((len(size) for size in sizes if isinstance(size, tuple)), None)
    if axes is None or images.ndim == axes + 2:
        return None
    lacks = images.ndim == axes + 1
    remedy = "add the axis of the batch: images[None]" if lacks else "give such images, or another model"
    return f"images must be (N, C, *S) with {axes} spatial axes for this model, got {tuple(images.shape)}; {remedy}"


def _wrong_size(where: str, layer: nn.Module, images: Tensor, given: Tensor) -> str | None:
    """Whether the layer was made for another number of channels or features."""
    came = tuple(images.shape)
    for attribute, axis in (("in_channels", 1), ("num_features", 1), ("in_features", -1)):
        takes = getattr(layer, attribute, None)
        if not isinstance(takes, int) or given.ndim < 2 or given.shape[axis] == takes:
            continue
        if given.shape != images.shape or axis < 0:
            return (
                f"images {came} do not fit the model: {where} takes {takes} features, got {tuple(given.shape)}; "
                f"give images of the size and channels that the model was made for"
            )
        last = images.ndim > 2 and images.shape[-1] == takes
        remedy = "put the channels second: images.movedim(-1, 1)" if last else _remedy(takes, images.shape[1])
        return f"images must have {takes} channels for {where}, (N, {takes}, *S), got {came}; {remedy}"
    return None


def _remedy(takes: int, came: int) -> str:
    if came == 1:
        return f"repeat the channel: images.repeat_interleave({takes}, 1)"
    return f"convert the images, or use a model of {came} channels"


def _apart(where: str, layer: nn.Module, images: Tensor, given: Tensor) -> str | None:
    """Whether the layer's weights are on another device, or of another dtype, than what it was given."""
    weight = next((parameter for parameter in layer.parameters(recurse=False)), None)
    if weight is None or (weight.device == given.device and weight.dtype == given.dtype):
        return None
    remedy = "images.to(device, dtype) or model.to(device, dtype)"
    if weight.dtype == torch.float16 and weight.device.type == "cpu":  # which is refused in images, too
        remedy = "model.float()"
    return (
        f"model and images must be of one dtype on one device: {where} has {weight.dtype} on {weight.device}, got "
        f"{given.dtype} on {given.device}; use {remedy}"
    )
