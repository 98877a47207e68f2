"""Whether a map changes when the weights do."""

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sightline.attribution import Label
from sightline.errors import SightlineError
from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.maps.methods import NamedExplainer
from sightline.evaluation.audit.subject import Subject
from sightline.metrics.intervals import Interval
from sightline.metrics.randomisation import cascading_randomisation, map_similarity
from sightline.metrics.resampling import Resampling, bootstrap

Floats: TypeAlias = NDArray[np.float64]

STAGES = {"upper half": 0.5, "all": 1.0}
"""Shares of the layers that are made random, from the output on. The upper half is where classes are told apart."""

HIGHEST_FLOOR = 0.9
"""Likeness of unrelated maps above which nothing can be told, as where maps have but a handful of places."""


def likeness(subject: Subject, method: NamedExplainer, look: Look, partners: Look, *, seed: int) -> dict[str, Floats]:
    """Measure how like the map of the trained model those of randomised copies are.

    Args:
        subject: its model comes back as it was.
        method: to test.
        look: at N cases.
        partners: at another case for each of them.
        seed: of the permutations of the weights.

    Returns:
        Rank correlation of the absolute maps, `(N,)` each: with the layers of `STAGES` random, and as `floor` that with
        the map which the wholly random model has of the partner: they share neither weights nor image, only strides,
        borders and what all images have in common. NaN where a map is empty, or the method does not suit the model.
    """
    model, n = subject.model, len(look)
    silent = {name: np.full(n, np.nan) for name in (*STAGES, "floor")}
    if model is None:
        return silent
    explained = np.concatenate([look.explained, partners.explained]) if subject.outputs > 1 else np.zeros(2 * n)
    target = Label(torch.from_numpy(explained.astype(np.int64)))
    drawn: list[Tensor] = []

    def explain(changed: nn.Module, images: Tensor) -> Tensor:
        drawn.append(method.explainer(changed, images, target).attribution.sum(1))
        return drawn[-1]

    images = subject.given(torch.cat([look.images, partners.images]))
    try:
        with torch.no_grad():
            found = cascading_randomisation(explain, model, images, seed=seed, shares=tuple(STAGES.values()))
    except SightlineError:
        return silent
    first, last = found.similarity[0, :n], found.similarity[-1, :n]  # one and the same where there is one layer
    floor = map_similarity(drawn[0][:n], drawn[-1][n:])
    return {
        name: values.double().cpu().numpy()
        for name, values in zip((*STAGES, "floor"), (first, last, floor), strict=True)
    }


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
