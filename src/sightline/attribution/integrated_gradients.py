r"""Integrated gradients: the gradient, averaged on the way from a reference image to the image.

A map is a weighted sum over points on straight paths, and so is what expected gradients draw:

$$\tilde{A} = \sum_p w_p\, (x - x'_p) \odot \nabla y\big(x'_p + \alpha_p (x - x'_p)\big), \qquad \sum_p w_p = 1$$

By the fundamental theorem of calculus the exact integral sums to $y(x) - y(x')$. What the sum of finitely many points
leaves of that is reported as `Explanation.gap`. $y$ is the score that the model gives in evaluation mode, also where
the model is in training mode: only there is it a function of one image.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from sightline.attribution.drawing import Drawing
from sightline.attribution.explainer import (
    Explainer,
    backward_passes,
    classify,
    evaluation_mode,
    recording,
    same_scores,
    select,
    stack_maps,
)
from sightline.attribution.interception import Interception
from sightline.attribution.targets import Selection, Target
from sightline.errors import SettingsError, ShapeError
from sightline.types import Explanation


@dataclass(frozen=True)
class Paths:
    """Points between reference images and each of N images.

    Attributes:
        references: where paths start, `(R, C, *S)`.
        starts: which reference each path of each image starts from, `(N, P)` int64.
        alphas: share of the way from there to the image, `(P,)` in [0, 1].
        weights: of the points, `(P,)`, sum 1.
    """

    references: Tensor
    starts: Tensor
    alphas: Tensor
    weights: Tensor

    @property
    def points(self) -> tuple[Tensor, Tensor]:
        """Image and path of each point, `(N * P,)` int64 each, image by image."""
        n, p = self.starts.shape
        device = self.starts.device
        return torch.arange(n, device=device).repeat_interleave(p), torch.arange(p, device=device).repeat(n)


def explain_along(
    model: nn.Module, images: Tensor, target: Target, draw: Callable[[Tensor], Paths], *, batch_size: int
) -> Explanation:
    """Classify, and explain by the gradients at the points of paths.

    Args:
        model: any module from images to logits; comes back as it was.
        images: `(N, C, *S)`; not written to.
        target: what to explain; chooses once, from the images themselves.
        draw: returns the paths to the images it is given.
        batch_size: points in one pass through the model.

    Returns:
        Logits of the model in the mode it is in; map and gap of its evaluation mode.

    Raises:
        ShapeError: images, logits or references have another shape.
    """
    keep_graph = torch.is_grad_enabled()
    with recording(images):
        images = images.detach()
        paths = draw(images)
        with torch.set_grad_enabled(keep_graph):
            logits = classify(model, images.clone())  # the model may write to it
        selection = select(target, logits, images)
        evaluated = not any(part.training for part in model.modules())
        with evaluation_mode(model):
            maps = _sum_along(model, images, selection, paths, batch_size, keep_graph=keep_graph)
            ends = logits.detach() if evaluated else _logits(model, images, batch_size)
            change = _change_along(model, ends, selection, paths, batch_size)
        gaps = [scores - each.detach().flatten(1).sum(1) for scores, each in zip(change, maps, strict=True)]
        attribution = stack_maps(maps, selection)
    return Explanation(logits, attribution, selection.classes, gap=stack_maps(gaps, selection))


def _sum_along(
    model: nn.Module, images: Tensor, selection: Selection, paths: Paths, batch_size: int, *, keep_graph: bool
) -> list[Tensor]:
    """The map of each explanation, M of `(N, C, *S)`."""
    maps = [torch.zeros_like(images) for _ in selection.scores]
    for rows, steps in zip(*(torch.split(index, batch_size) for index in paths.points), strict=True):
        start = paths.references[paths.starts[rows, steps]]
        way = images[rows] - start
        leaf = (start + _over_pixels(paths.alphas[steps], way) * way).requires_grad_()
        given = leaf.clone()  # the model may write to it
        drawing = Drawing(kept=keep_graph)
        with Interception(given, drawing, strict=False):  # only batch norm answers: its samples must not mix
            scores = same_scores(selection, model(given), rows)
        share = _over_pixels(paths.weights[steps], way) * way
        passes = backward_passes(Selection(scores), [leaf], drawing, create_graph=keep_graph)
        cs = [c for (c,) in passes if c is not None]
        maps = [each.index_add(0, rows, share * c) for each, c in zip(maps, cs, strict=True)]
    return maps


def _change_along(model: nn.Module, ends: Tensor, selection: Selection, paths: Paths, batch_size: int) -> Tensor:
    """How much more each image, of logits `ends`, scores than its references on average, `(M, N)`: a map's sum."""
    rows, _ = paths.points
    used, starts = paths.starts.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        origins = _logits(model, paths.references[used], batch_size)
        reached = same_scores(selection, ends, torch.arange(len(ends), device=ends.device))
        begun = same_scores(selection, origins[starts.flatten()], rows).view(len(reached), *starts.shape)  # (M, N, P)
        return reached - torch.mv(begun.flatten(0, 1), paths.weights.to(begun)).view_as(reached)


def _logits(model: nn.Module, images: Tensor, batch_size: int) -> Tensor:
    with torch.no_grad():
        return torch.cat([model(part.clone()) for part in torch.split(images, batch_size)])


def _over_pixels(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *(1,) * (like.ndim - 1))


def check_references(references: Tensor, images: Tensor, *, name: str) -> Tensor:
    """Return the references as constants of the images' kind.

    Raises:
        ShapeError: they are not shaped as the images.
    """
    if references.ndim != images.ndim or references.shape[1:] != images.shape[1:] or not len(references):
        shape = ", ".join(map(str, images.shape[1:]))
        raise ShapeError(f"{name} must be at least 1 image (R, {shape}), got {tuple(references.shape)}")
    return references.detach().to(images)  # given, not learned: a loss on the map trains the model alone


def baseline_images(baseline: float | Tensor, images: Tensor) -> Tensor:
    """Return a baseline as images, one for all or one for each, `(1 or N, C, *S)`.

    Raises:
        ShapeError: it is not shaped as the images, or there are fewer or more of them.
    """
    if not isinstance(baseline, Tensor):
        return images.new_full((1, *images.shape[1:]), baseline)
    references = check_references(baseline, images, name="baseline")
    if len(references) not in (1, len(images)):
        raise ShapeError(f"baseline must be 1 image or one for each of {len(images)}, got {len(references)}")
    return references


def _midpoint(steps: int) -> tuple[np.ndarray, np.ndarray]:
    return (np.arange(steps) + 0.5) / steps, np.full(steps, 1 / steps)


def _gauss_legendre(steps: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(steps)  # on [-1, 1]
    return (nodes + 1) / 2, weights / 2


_RULES: dict[str, Callable[[int], tuple[np.ndarray, np.ndarray]]] = {
    "midpoint": _midpoint,
    "gauss-legendre": _gauss_legendre,
}


@dataclass(frozen=True)
class IntegratedGradients(Explainer):
    r"""Integrated gradients along the straight path from a baseline.

    $$\tilde{A} = (x - x') \odot \int_0^1 \nabla y\big(x' + \alpha (x - x')\big)\, d\alpha, \qquad
    \sum \tilde{A} = y(x) - y(x')$$

    The integral is taken at `steps` points. What the sum of the map then lacks to $y(x) - y(x')$ is in
    `Explanation.gap`: where it is not small beside that difference, take more steps. Logits are those of the model in
    the mode it is in; the function $y$ explained, and its gap, are those of evaluation mode.

    Args:
        baseline: $x'$, one value for all pixels, or images `(1 or N, C, *S)`. The map is zero wherever the image equals
            it, so black (0) cannot be found to matter.
        steps: points on the path. One forward and one backward pass each, and with grad mode on, memory for each.
        rule: `"midpoint"` has equal steps and is exact for scores quadratic in the pixels; its gap falls with `steps`
            squared where the score is smooth. `"gauss-legendre"` is exact up to degree `2 * steps` and falls faster
            still, but not along a ReLU network, whose gradient jumps: there both fall with `steps`.
        batch_size: points in one pass through the model.

    Reference:
        Sundararajan et al. 2017, arXiv:1703.01365, eq. 1; completeness is proposition 1. The sum of eq. 3 has the
        gradient at the far end of each step, which is exact for linear scores only; ours has it elsewhere.
    """

    baseline: float | Tensor = field(default=0.0, compare=False)
    steps: int = 50
    rule: Literal["midpoint", "gauss-legendre"] = "midpoint"
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1:
            raise SettingsError(f"steps and batch_size must be at least 1, got {self.steps} and {self.batch_size}")
        if self.rule not in _RULES:
            raise SettingsError(f"rule must be 'midpoint' or 'gauss-legendre', got {self.rule!r}")

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; see `Explainer`."""
        return explain_along(model, images, target, self._paths, batch_size=self.batch_size)

    def _paths(self, images: Tensor) -> Paths:
        references = baseline_images(self.baseline, images)
        own = torch.arange(len(images), device=images.device) * (len(references) > 1)
        alphas, weights = (torch.from_numpy(values).to(images) for values in _RULES[self.rule](self.steps))
        return Paths(references, own[:, None].expand(-1, self.steps), alphas, weights)
