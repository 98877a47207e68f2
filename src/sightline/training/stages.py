"""Training in stages: what trains, what stays frozen, by which loss, and until when."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from sightline.errors import SettingsError
from sightline.guidance import GuidanceSettings
from sightline.training.optim_settings import OptimSettings


@dataclass(frozen=True)
class Stage:
    """One stage of a training.

    Attributes:
        epochs: passes over the training split, at most.
        trains: dotted names of the parts of the model that are trained, as in `model.named_modules()`; the others are
            frozen: their weights do not move, and they answer as in evaluation mode. Empty trains all.
        guidance: the loss of this stage; null for classification alone.
        optim: how weights follow their gradients; null as in the run.
        batch_size: images a batch; null as in the run.
        patience: epochs without a better validation objective after which the stage ends; null for never.
    """

    epochs: int
    trains: tuple[str, ...] = ()
    guidance: GuidanceSettings | None = None
    optim: OptimSettings | None = None
    batch_size: int | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise SettingsError(f"epochs must be at least 1, got {self.epochs}")
        if self.batch_size is not None and self.batch_size < 1:
            raise SettingsError(f"batch_size must be at least 1 or null, got {self.batch_size}")
        if self.patience is not None and self.patience < 1:
            raise SettingsError(f"patience must be at least 1 or null, got {self.patience}")


@contextmanager
def only_training(model: nn.Module, parts: Iterable[str]) -> Iterator[None]:
    """Freeze everything but some parts of a model; afterwards each weight asks for its gradient as before.

    Args:
        model: in which modes its parts are is left to `training_mode`.
        parts: dotted names; none freezes nothing.

    Raises:
        SettingsError: the model has no such part, or none of its weights would be trained.
    """
    chosen = _weights_of(model, parts)
    before = [(weight, weight.requires_grad) for weight in model.parameters()]
    for weight, asks in before:
        weight.requires_grad_(asks and id(weight) in chosen)
    try:
        if not any(weight.requires_grad for weight in model.parameters()):
            raise SettingsError("trains must name a part with weights; nothing would be trained")
        yield
    finally:
        for weight, asks in before:
            weight.requires_grad_(asks)


def training_mode(model: nn.Module, parts: Iterable[str]) -> None:
    """Put the parts that are trained into training mode and all others into evaluation mode.

    A frozen batch normalisation must neither use nor move the statistics of a batch, and what is frozen drops nothing.
    """
    names = tuple(parts)
    model.train(not names)
    for name in names:
        model.get_submodule(name).train()


def _weights_of(model: nn.Module, parts: Iterable[str]) -> set[int]:
    names = tuple(parts)
    if not names:
        return {id(weight) for weight in model.parameters()}
    known = dict(model.named_modules())
    for name in names:
        if name not in known or not name:
            shown = ", ".join(child for child, _ in model.named_children())
            raise SettingsError(f"trains must name parts of the model, got {name!r}; its parts are {shown}")
    return {id(weight) for name in names for weight in known[name].parameters()}
