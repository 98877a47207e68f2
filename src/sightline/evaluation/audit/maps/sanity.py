"""Whether a map changes when the weights do."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.attribution import Label
from sightline.errors import SightlineError
from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.maps.methods import NamedExplainer
from sightline.evaluation.audit.subject import Subject
from sightline.metrics.intervals import Interval
from sightline.metrics.randomisation import map_similarity, randomised
from sightline.metrics.resampling import Resampling, bootstrap

Floats: TypeAlias = NDArray[np.float64]

STAGES = {"upper half": 0.5, "all": 1.0}
"""Shares of the layers that are made random, from the output on. The upper half is where classes are told apart."""

HIGHEST_FLOOR = 0.9
"""Likeness of unrelated maps above which nothing can be told, as where maps have but a handful of places."""


def likeness(
    subject: Subject, methods: Sequence[NamedExplainer], look: Look, partners: Look, *, seed: int
) -> dict[str, dict[str, Floats]]:
    """Measure how like the maps of the trained model those of randomised copies are.

    Args:
        subject: its model comes back as it was.
        methods: to test.
        look: at N cases.
        partners: at another case for each of them.
        seed: of the permutations of the weights.

    Returns:
        By name of the method, rank correlation of the absolute maps, `(N,)` each: with the layers of `STAGES` random,
        and as `floor` that with the map which the wholly random model has of the partner: they share neither weights
        nor image, only strides, borders and what all images have in common. NaN where a map is empty, or the method
        does not suit the model.
    """
    n = len(look)
    found = {method.name: {name: np.full(n, np.nan) for name in (*STAGES, "floor")} for method in methods}
    if subject.model is None:
        return found
    explained = np.concatenate([look.explained, partners.explained]) if subject.outputs > 1 else np.zeros(2 * n)
    target = Label(torch.from_numpy(explained.astype(np.int64)))
    images = subject.given(torch.cat([look.images, partners.images]))
    drawn: dict[str, list[Tensor]] = {method.name: [] for method in methods}
    with torch.no_grad(), suppress(SightlineError):  # of a model whose layers cannot be told nothing is said
        for _, changed in randomised(subject.model, images, seed=seed, shares=tuple(STAGES.values())):
            for method in [method for method in methods if method.name in drawn]:
                try:
                    drawn[method.name].append(method.explainer(changed, images, target).attribution.sum(1))
                except SightlineError:  # it does not suit the model
                    del drawn[method.name]
    for name, maps in drawn.items():
        if len(maps) > 1:
            trained, upper, every = maps[0], maps[1], maps[-1]  # the last two are one where there is one layer
            alike = map_similarity(trained[:n], upper[:n]), map_similarity(trained[:n], every[:n])
            floor = map_similarity(trained[:n], every[n:])
            values = (of.double().cpu().numpy() for of in (*alike, floor))
            found[name] = dict(zip((*STAGES, "floor"), values, strict=True))
    return found


def what_stays(alike: Floats, floor: Floats, patients: tuple[str, ...], resampling: Resampling) -> Interval:
    r"""How much of a map stays: $(\bar l - \bar f) / (1 - \bar f)$ with likeness $l$ and its floor $f$.

    Args:
        alike: `(N,)`; cases with a NaN are left out.
        floor: `(N,)`.
        patients: of each case.
        resampling: how patients are drawn.

    Returns:
        NaN where the floor is above `HIGHEST_FLOOR`.
    """
    known = np.flatnonzero(~(np.isnan(alike) | np.isnan(floor)))
    if not len(known):
        return Interval(np.nan, np.nan, np.nan, 0, "percentile bootstrap of patients", resampling.level, 0)
    values = np.stack([alike[known], floor[known]], 1)

    def statistic(weights: Floats) -> dict[str, Floats]:
        mean, least = (weights @ values).T / weights.sum(1)
        return {"stays": (mean - least) / np.where(least <= HIGHEST_FLOOR, 1 - least, np.nan)}

    return bootstrap(statistic, [patients[row] for row in known], resampling=resampling)["stays"]
