"""Parts of a model by name, and what they answer while the model runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from torch import Tensor, nn

from sightline.compiled_models import named_layers, plain_name, uncompiled
from sightline.errors import SettingsError


def find_part(model: nn.Module, name: str | None, *, option: str) -> nn.Module:
    """Find a part of a model.

    Args:
        model: where to look.
        name: dotted, as in `model.named_modules()`; None for the model itself.
        option: what the name is called in messages.

    Raises:
        SettingsError: there is no such part.
    """
    if name is None:
        return model
    parts = {part: module for part, module in named_layers(model).items() if part}
    if plain_name(name) not in parts:
        near = get_close_matches(name, parts, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        children = ", ".join(child for child, _ in model.named_children())
        raise SettingsError(
            f"{option} must name a part of {type(model).__name__}, which has {children}; got {name!r}{hint}"
        )
    return parts[plain_name(name)]


@contextmanager
def output_of(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Collect what a layer answers while the context lasts, each call in turn; nothing stays on the layer."""
    answers: list[Tensor] = []

    def collect(_module: nn.Module, _arguments: tuple[Any, ...], answer: Tensor) -> None:
        answers.append(answer)

    handle = layer.register_forward_hook(collect)
    try:
        with uncompiled():
            yield answers
    finally:
        handle.remove()
