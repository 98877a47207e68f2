"""A module as a program of torch.export: a graph of plain operations, which runs without its Python code."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from sightline.errors import ExportError
from sightline.exporting.recording import record_for_any_batch

_log = logging.getLogger(__name__)
_OF_THIS_MACHINE = ("stack_trace", "source_fn_stack", "from_node")  # places in source files, with their paths


@dataclass(frozen=True, eq=False)
class Program:
    """A graph.

    Attributes:
        exported: the program.
        batch: number of images that it takes; None for any number.
    """

    exported: ExportedProgram
    batch: int | None


def trace(model: nn.Module, shape: Sequence[int], *, name: str, batch: int | None = None) -> Program:
    """Trace a module of one argument, images `(N, C, *S)`, for any N; where that cannot be, for one image.

    Args:
        model: in evaluation mode, on the CPU; left as it is.
        shape: of one image, `(C, *S)`.
        name: for messages.
        batch: number of images to trace it for, instead of any.

    Raises:
        ExportError: torch.export cannot follow it.
    """
    if batch is None:
        try:
            return Program(_for_any(model, shape, name), None)
        except ExportError as error:
            _log.warning("%s: any number of images cannot be traced (%s), so it takes 1 at a time", name, error)
    size = batch or 1
    return Program(_exported(model, torch.zeros(size, *shape), None, name), size)


def _for_any(model: nn.Module, shape: Sequence[int], name: str) -> ExportedProgram:
    images = torch.zeros(2, *shape)  # 0 and 1 would be taken for constants
    try:
        return _exported(model, images, {0: Dim("batch")}, name)
    except ExportError:
        if isinstance(model, torch.fx.GraphModule):  # recorded already
            raise
    return _exported(record_for_any_batch(model, shape, name=name), images, {0: Dim("batch")}, name)


def save_program(program: Program, file: Path, *, words: Mapping[str, str]) -> None:
    """Write a program as `.pt2`, with texts beside the graph, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own serialiser, about itself
        torch.export.save(program.exported, file, extra_files=dict(words))


def _exported(model: nn.Module, images: Tensor, sizes: dict[int, Dim] | None, name: str) -> ExportedProgram:
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch about its own internals
            program = torch.export.export(model, (images,), dynamic_shapes=None if sizes is None else (sizes,))
    except Exception as error:  # it raises a dozen kinds
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ExportError(f"{name} cannot be traced by torch.export: {reason}") from error
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            for key in _OF_THIS_MACHINE:
                node.meta.pop(key, None)
    return program
