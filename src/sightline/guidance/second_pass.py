"""A further forward pass in the same step, which leaves no trace in the model."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def buffers_held(model: nn.Module) -> Iterator[None]:
    """Let a model work on copies of its buffers, so that running statistics move once a step and not twice.

    Args:
        model: whose buffers are the same tensors afterwards, with the same values.
    """
    before = [(part, name, buffer) for part in model.modules() for name, buffer in part.named_buffers(recurse=False)]
    for part, name, buffer in before:
        setattr(part, name, buffer.clone())
    try:
        yield
    finally:
        for part, name, buffer in before:
            setattr(part, name, buffer)
