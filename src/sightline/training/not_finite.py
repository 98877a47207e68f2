"""Where a loss that is not finite comes from, and the way back to before it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sightline.compiled_models import uncompiled
from sightline.guidance import Guidance
from sightline.training.precision import Precision, autocast
from sightline.types import Batch

NOT_AGAIN = "it did not come again"


def buffers_of(*modules: nn.Module) -> list[Tensor]:
    """Copies of all buffers: what a forward pass changes in training, such as running statistics."""
    return [buffer.clone() for module in modules for buffer in module.buffers()]


def put_back(kept: list[Tensor], *modules: nn.Module) -> None:
    """Put copies from `buffers_of` back."""
    for buffer, old in zip((buffer for module in modules for buffer in module.buffers()), kept, strict=True):
        buffer.copy_(old)


def where_not_finite(model: nn.Module, guidance: Guidance, batch: Batch, precision: Precision) -> str:
    """Repeat a step and say where the first value arises that is not finite.

    Args:
        model: in the mode and with the weights of the step; it comes back as it was, as torch's generators do.
        guidance: of the step.
        batch: that it was made with, on the device.
        precision: of the forward pass.

    Returns:
        Part of a sentence, or `NOT_AGAIN`: images, a layer of the model, a part of the loss or the gradient of weights.
    """
    if names := [name for name, image in zip(batch.cases, batch.images, strict=True) if not image.isfinite().all()]:
        return f"the image of {_listed(names)} is not finite"
    device, kept = batch.images.device, buffers_of(model, guidance)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            return _of_computing(model, guidance, batch, precision)
        finally:
            put_back(kept, model, guidance)


def _of_computing(model: nn.Module, guidance: Guidance, batch: Batch, precision: Precision) -> str:
    layers: list[str] = []
    with _watched(model, layers), autocast(batch.images.device.type, precision):
        guided = guidance(model, batch.images, batch.labels, batch.regions)
    if layers:
        return f"layer {layers[0]} of the model gives values that are not finite"
    if not guided.logits.isfinite().all():
        return "the answers of the model are not finite, what its layers give is"
    if not guided.loss.isfinite():
        parts = [name for name, value in guided.parts.items() if not value.isfinite().all()]
        return f"{_listed(parts) or 'the loss'} is not finite, the answers of the model are"
    both = *model.named_parameters(), *guidance.named_parameters()
    weights = {name: weight for name, weight in both if weight.requires_grad}
    grads = torch.autograd.grad(guided.loss, list(weights.values()), allow_unused=True)
    wrong = [n for n, grad in zip(weights, grads, strict=True) if grad is not None and not grad.isfinite().all()]
    return f"the gradient of {_listed(wrong[::-1])} is not finite, the loss is" if wrong else NOT_AGAIN


@contextmanager
def _watched(model: nn.Module, found: list[str]) -> Iterator[None]:
    """Note the layers whose output is not finite while their input is, in the order in which they are called."""

    def hook_of(name: str) -> Any:  # noqa: ANN401 - a hook of torch
        def hook(layer: nn.Module, given: tuple[Any, ...], made: Any) -> None:  # noqa: ANN401 - whatever a layer gives
            if _finite(given) and not _finite(made):
                found.append(f"{name} ({type(layer).__name__})")

        return hook

    with ExitStack() as stack:
        for name, layer in model.named_modules():
            if next(layer.children(), None) is None:
                stack.callback(layer.register_forward_hook(hook_of(name or "itself")).remove)
        stack.enter_context(uncompiled())
        yield


def _finite(values: Any) -> bool:  # noqa: ANN401 - tensors, nested in whatever way
    if isinstance(values, Tensor):
        return not values.is_floating_point() or bool(values.isfinite().all())
    inner = values.values() if isinstance(values, dict) else values if isinstance(values, list | tuple) else ()
    return all(map(_finite, inner))


def _listed(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
