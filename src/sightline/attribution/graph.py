"""A look at the recorded graph for what no interception of torch functions can see."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress

from torch.autograd.graph import Node, disable_saved_tensors_hooks

from sightline.errors import UnsupportedOperationError

RECOMPUTED = (
    "a part of the model is computed again in the backward pass (torch.utils.checkpoint), where no rule of an "
    "explanation reaches it; turn checkpointing off while the model is explained"
)


def reaches(node: Node, roots: Collection[Node]) -> bool:
    """Whether what `node` made was made from what one of `roots` made."""
    seen: set[Node] = set()
    stack = [node]
    while stack:
        node = stack.pop()
        if node in roots:
            return True
        if node not in seen:
            seen.add(node)
            stack.extend(parent for parent, _ in node.next_functions if parent is not None)
    return False


@contextmanager
def no_recomputing() -> Iterator[None]:
    """Refuse parts of a model that keep their activations elsewhere, to be made again in the backward pass.

    What is made again is not watched: its rules would be missing, or be handed the tensors of others, without a word.

    Raises:
        UnsupportedOperationError: the model checkpoints its activations.
    """
    with ExitStack() as stack:
        with suppress(RuntimeError):  # hooks of the caller's own, such as save_on_cpu, which only move what is saved
            stack.enter_context(disable_saved_tensors_hooks(RECOMPUTED))
        try:
            yield
        except RuntimeError as error:
            if str(error) != RECOMPUTED:
                raise
            raise UnsupportedOperationError(RECOMPUTED) from error
