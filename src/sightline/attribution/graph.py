"""A look at the recorded graph for what no interception of torch functions can see."""

from typing import Any

from torch import Tensor
from torch.autograd.function import BackwardCFunction

from sightline.errors import UnsupportedOperationError


def check_no_foreign_function(output: Tensor) -> None:
    """Refuse a graph in which somebody else's `autograd.Function` answers: its backward knows no rule.

    Raises:
        UnsupportedOperationError: names the function.
    """
    seen: set[Any] = set()
    stack: list[Any] = [output.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(node, BackwardCFunction) and not node._forward_cls.__module__.startswith("sightline."):
            raise UnsupportedOperationError(
                f"LRP cannot look into the autograd.Function '{type(node).__name__.removesuffix('Backward')}'; "
                f"pass it by its gradient with LRP(unknown='gradient'), or write it in torch operations"
            )
        stack.extend(parent for parent, _ in node.next_functions)
