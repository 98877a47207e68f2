"""The explanation being drawn, if one is: a small object that every rule of one forward pass holds.

Autograd runs backwards on threads of its own on a GPU, where neither a context variable nor a thread-local of the
caller is seen, and a module global would be shared by models that have nothing to do with each other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Drawing:
    """Whether the rules of one forward pass answer with the explanation or with the ordinary gradient.

    Attributes:
        epsilon: stabiliser of the LRP rule that is drawn; None in a pass that explains by the gradient.
        active: True while the explanation is drawn.
    """

    epsilon: float | None = None
    active: bool = False

    @contextmanager
    def pencil(self) -> Iterator[None]:
        """Let the rules answer with the explanation until the block ends."""
        self.active = True
        try:
            yield
        finally:
            self.active = False
