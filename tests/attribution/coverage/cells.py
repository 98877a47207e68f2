"""One cell of the coverage table: whether a method works on an architecture, and by which check that is known."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sightline.attribution import Label
from sightline.errors import SightlineError

from .checks import check_for
from .comparing import close
from .methods import explainer_for
from .models import Architecture
from .references import Subject

STEPS = (1e-7, 1e-8, 1e-9, 1e-10)  # of weights, beside their size: short, for there are kinks wherever there are ReLUs


@dataclass(frozen=True)
class Cell:
    """What was found.

    Attributes:
        check: name of the check passed; None where the method does not work.
        reason: why the method does not work.
    """

    check: str | None = None
    reason: str = ""


def subject_of(architecture: Architecture) -> Subject:
    """A model, images, and the classes that it predicts."""
    model, images = architecture.model(), architecture.images()
    with torch.no_grad():
        return Subject(architecture, model, images, model(images).argmax(1))


def fill(method: str, subject: Subject) -> Cell:
    """Find out; what a method raises in words is a no, anything else is an error here too."""
    check = check_for(method)
    if check is None:
        return Cell(reason="nobody has written a check for it")
    explainer, model, images = explainer_for(method, subject.architecture), subject.model, subject.images
    try:
        explanation = explainer(model, images, Label(subject.labels))
    except SightlineError as error:
        return Cell(reason=_without_places(str(error)))
    found = explanation.attribution.detach()
    with torch.no_grad():
        close(explanation.logits, model(images))
        close(explainer(model, images[:1], Label(subject.labels[:1])).attribution, found[:1], within=1e-6)
    assert found.flatten(1).any(1).all(), "the map is 0"
    name = check(explainer, subject, found)
    check_gradient(lambda: explainer(model, images, Label(subject.labels)).attribution, model)
    return Cell(name)


def _without_places(message: str) -> str:
    return re.sub(r", called at [^;]*|; .*", "", message)


def check_gradient(explain: Callable[[], Tensor], model: nn.Module) -> None:
    """Compare the gradient of a loss on the map with its change as all weights move in one random direction."""
    weights = list(model.parameters())
    loss = explain().square().sum()
    unit = loss.detach()
    gradients = torch.autograd.grad(loss / unit, weights, allow_unused=True)
    assert all(g is None or g.isfinite().all() for g in gradients), "a gradient is not finite"
    assert any(g is not None and g.any() for g in gradients), "no loss on the map reaches the weights"
    generator = torch.Generator().manual_seed(2)
    directions = [torch.randn(w.shape, generator=generator, dtype=w.dtype) * w.detach().abs().mean() for w in weights]
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True) if g is not None)
    found = []
    for step in STEPS:
        values = []
        for sign in (1, -1):
            with _moved(weights, directions, sign * step):
                values.append(float(explain().square().sum() / unit))
        found.append((values[0] - values[1]) / (2 * step))
        if abs(found[-1] - slope) <= 1e-3 * abs(slope):
            return
    raise AssertionError(f"the gradient is {slope:.6g}, but finite differences are {found}")


@contextmanager
def _moved(weights: list[nn.Parameter], directions: list[Tensor], step: float) -> Iterator[None]:
    """Move weights a step, without a graph, and back again."""
    kept = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight, direction in zip(weights, directions, strict=True):
            weight.add_(direction, alpha=step)
        try:
            yield
        finally:
            for weight, at in zip(weights, kept, strict=True):
                weight.copy_(at)
