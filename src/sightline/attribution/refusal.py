"""Refuses, under LRP, functions that have no rule, in words that say where they are called."""

import os
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sightline.attribution import operations
from sightline.attribution.operations import tensors_in
from sightline.errors import UnsupportedOperationError

_NOT_THE_CALLER = tuple(f"{Path(module).resolve().parent}{os.sep}" for module in (__file__, torch.__file__))


def check_rule(
    plain: str,
    operands: Sequence[Tensor],
    args: tuple[Any, ...],
    result: Any,  # noqa: ANN401 - whatever the function returned
    *,
    gate: str | None,
) -> None:
    """Check that a function that was called as it is needs no rule.

    Args:
        plain: its name, without underscores.
        operands: tensors it read that depend on the images.
        args: it was called with.
        result: it returned.
        gate: the function that made one of the operands to multiply something, if any.

    Raises:
        UnsupportedOperationError: it needs one, and there is none.
    """
    if not any(tensor.requires_grad for tensor in tensors_in(result)):
        return  # a shape, an index, a constant: nothing is passed back through it
    if gate is not None and (len(operands) > 1 or plain not in operations.LINEAR | operations.PRODUCTS):
        raise UnsupportedOperationError(
            f"LRP has a rule for '{gate}' as a gate that multiplies a signal, but '{plain}' reads it at "
            f"{caller()}; pass it by its gradient with unknown='gradient', or use another explainer"
        )
    if plain in operations.LINEAR or plain in operations.GATES:
        return
    if plain in operations.BILINEAR and len(operands) == 1:
        return
    dividend = tensors_in(args)[:1]
    if plain in operations.QUOTIENT and len(operands) == 1 and dividend and dividend[0] is operands[0]:
        return
    bilinear = operations.BILINEAR | operations.QUOTIENT
    many = " of two activations" if plain in bilinear and len(operands) > 1 else ""
    raise UnsupportedOperationError(
        f"LRP has no rule for '{plain}'{many}, called at {caller()}; "
        f"pass it by its gradient with unknown='gradient', or use another explainer"
    )


def caller() -> str:
    """Return file and line of the innermost frame that is neither torch's nor this package's."""
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(_NOT_THE_CALLER):
            return f"{Path(frame.filename).name}:{frame.lineno} ({frame.name})"
    return "an unknown place"
