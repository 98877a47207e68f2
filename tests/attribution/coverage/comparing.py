"""How a map is made, and compared with another one, or with a sum."""

import torch
from torch import Tensor, nn

from sightline.attribution import Explainer, Label

from .references import Subject


def close(got: Tensor, expected: Tensor, *, within: float = 1e-6) -> None:
    """Check that two maps differ by little beside their largest value."""
    assert got.shape == expected.shape, f"{tuple(got.shape)} instead of {tuple(expected.shape)}"
    size = expected.abs().max()
    assert size > 0, "nothing to compare: the map is 0"
    off = float((got - expected).abs().max() / size)
    assert off <= within, f"the map is off by {off:.1e} of its largest value"


def adds_up(got: Tensor, expected: Tensor, *, size: Tensor | None = None, within: float = 1e-8) -> None:
    """Check sums `(N,)` against what they should be, relative to that or to `size`."""
    off = float(((got - expected).abs() / (expected.abs() if size is None else size)).max())
    assert off <= within, f"the sum is off by {off:.1e}"


def map_of(explainer: Explainer, subject: Subject, model: nn.Module | None = None) -> Tensor:
    """Explain the labels, without a graph."""
    with torch.no_grad():
        return explainer(model or subject.model, subject.images, Label(subject.labels)).attribution


def change_of(subject: Subject, baseline: Tensor | float = 0.0) -> Tensor:
    """How much more the images score than their baselines, `(N,)`."""
    with torch.no_grad():
        return subject.scores(subject.images) - subject.scores(torch.zeros_like(subject.images) + baseline)


def sums(maps: Tensor) -> Tensor:
    """Sum of each map, `(N,)`."""
    return maps.flatten(1).sum(1)
