"""A look at the recorded graph for what no interception of torch functions can see."""

from collections.abc import Collection

from torch.autograd.graph import Node


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
