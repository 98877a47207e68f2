"""Whether the answer goes where a map says that it comes from, faster than by chance."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.maps.coarse import cells_of, pooled, spread_out
from sightline.evaluation.audit.partners import generator_of
from sightline.evaluation.audit.subject import Subject
from sightline.metrics.perturbation_curves import blurred, deletion_curve, insertion_curve

Floats: TypeAlias = NDArray[np.float64]


def gains(
    subject: Subject, look: Look, maps: Mapping[str, Tensor], *, steps: int, seed: int
) -> dict[str, dict[str, Floats]]:
    """Measure how much better than a random order each map orders the cells of the images.

    Cells of a coarse grid are deleted, or inserted, in the order of their mean relevance, the strongest evidence first.
    What is deleted is blurred by the side of a cell, and an insertion begins with the blurred image. So methods of
    fine and of coarse maps are asked the same, and no single pixels are changed, which may move a model for other
    reasons. The score is the probability of the class explained.

    Args:
        subject: asked.
        look: at N cases.
        maps: `(N, *S)` by name of the method.
        steps: of a curve.
        seed: of the random orders; each case has its own.

    Returns:
        By name of the method, areas `(N,)`: `deletion`, that of the random order less that of the map; `insertion`,
        that of the map less that of the random order; each is positive where the map does better than chance. NaN where
        the map is empty.
    """
    images, n = look.images, len(look)
    size = tuple(images.shape[2:])
    cells = cells_of(len(size))
    hidden = blurred(images, sigma=max(size) / cells)
    ends = ((images, look.probabilities), (hidden, subject.probabilities(hidden)))  # of every curve: asked once

    def score(changed: Tensor) -> Tensor:
        rounds = torch.split(changed, n)
        known = [next((answers for end, answers in ends if torch.equal(end, each)), None) for each in rounds]
        asked = [each for each, answers in zip(rounds, known, strict=True) if answers is None]
        found = iter(subject.probabilities(torch.cat(asked)).reshape(len(asked), n, -1) if asked else ())
        answers = [next(found) if of is None else of for of in known]
        return torch.from_numpy(np.stack(answers)[:, np.arange(n), look.explained].ravel())

    def areas(grid: Tensor) -> tuple[Floats, Floats]:
        order = spread_out(grid, size)[:, None]
        curves = (
            curve(score, images, order, baseline=hidden, steps=steps) for curve in (deletion_curve, insertion_curve)
        )
        deletion, insertion = (curve.area().double().numpy() for curve in curves)
        return deletion, insertion

    grids = {name: pooled(drawn, cells) for name, drawn in maps.items()}
    chance = areas(_random(look, tuple(next(iter(grids.values())).shape[1:]), seed))
    found = {}
    for name, grid in grids.items():
        deletion, insertion = areas(grid)
        found[name] = {"deletion": chance[0] - deletion, "insertion": insertion - chance[1]}
    return found


def _random(look: Look, grid: tuple[int, ...], seed: int) -> Tensor:
    """Random numbers, `(N, *G)`, that depend on nothing but the seed and the name of the case."""
    drawn = [generator_of(seed, "order", case.id).random(grid, np.float32) for case in look.cases]
    return torch.from_numpy(np.stack(drawn))
