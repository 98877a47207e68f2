"""A function of images as a graph of plain operations: what it does is recorded, operation by operation.

`torch.export` follows the Python of a model, but no `autograd.grad`, and where the code asks for `len(images)` it takes
that number for a constant. `make_fx` records what is computed, forwards and backwards, and knows no autograd
afterwards; it takes every size for a constant, so what is to hold for any number of images is recorded with two.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from sightline.errors import ExportError, SightlineError
from sightline.exporting.batch import for_any_batch
from sightline.exporting.forwards import rewrite_backwards

_SIZES = (2, 3)


def record_for_any_batch(answer: Callable[[Tensor], Any], shape: Sequence[int], *, name: str) -> fx.GraphModule:
    """Record a function for any number of images.

    Args:
        answer: of images `(N, C, *S)`.
        shape: of one image, `(C, *S)`.
        name: for messages.

    Raises:
        ExportError: it cannot be recorded, or does different things for different numbers of images.
    """
    small, large = (record(answer, shape, size, name=name) for size in _SIZES)
    return for_any_batch(small, large, _SIZES)


def record(answer: Callable[[Tensor], Any], shape: Sequence[int], size: int, *, name: str) -> fx.GraphModule:
    """Record a function for one number of images, with its backward operations as forward ones.

    What it decides by values, as which layer an explanation watches, is settled by random images.

    Raises:
        ExportError: it cannot be recorded.
    """
    images = torch.rand(size, *shape, generator=torch.Generator().manual_seed(0))
    try:
        # of the attentions, the one that is written in plain operations
        with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch about its own internals
            graph = make_fx(answer, tracing_mode="real", _error_on_data_dependent_ops=False)(images)
    except SightlineError:
        raise
    except Exception as error:  # whatever an operation raises under it
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ExportError(f"{name} cannot be recorded: {reason}") from error
    graph.graph.eliminate_dead_code()
    return rewrite_backwards(graph)
