"""How much of a map lies where the model may look, beside what a map would score that knows nothing."""

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.material import Material
from sightline.metrics.localisation import region_share, relevance_share_inside

Floats: TypeAlias = NDArray[np.float64]

AT_LEAST_HALF = 0.5
"""Concentration from which relevance counts as where it should be: of what an even map puts outside, at most half is
there."""
HARDLY_ANY = 0.1
"""Concentration below which relevance counts as placed without regard to the region: nine tenths of what an even map
puts outside are there, or more."""


def no_regions(material: Material) -> str:
    """Say in words that no case has a region; empty if one has."""
    return "" if material.with_region else "the cohort does not say where a model may look: no case has a mask or gaze"


def telling_regions(look: Look) -> Tensor:
    """Where the model may look for the class explained, `(N, 1, *S)`; NaN where unknown, or nowhere, or everywhere."""
    regions = look.regions[:, None]
    area = regions.flatten(1).mean(1)
    silent = ~((area > 0) & (area < 1))
    return regions.masked_fill(silent.view(-1, *(1,) * (regions.ndim - 1)), torch.nan)


def shares_inside(maps: Tensor, regions: Tensor) -> Floats:
    """Share of the absolute relevance inside, `(N,)`, of maps `(N, *S)`; NaN where map or region say nothing."""
    shares: Floats = relevance_share_inside(maps[:, None], regions).double().numpy()
    return shares


def areas(regions: Tensor) -> Floats:
    """Share of the image that the region covers, `(N,)`; NaN where it says nothing."""
    covered: Floats = region_share(regions).double().numpy()
    return covered


def concentration(share: Floats, area: Floats) -> Floats:
    r"""How much of the relevance that an even map puts outside is inside instead.

    $$\frac{s - a}{1 - a} = 1 - \frac{1 - s}{1 - a}$$

    with the share $s$ inside and the area $a$ of the region as shares: 1 where all relevance lies inside, 0 for an even
    map, negative where there is more outside than in an even map. Areas that differ are on one scale by it.
    """
    return (share - area) / (1 - area)
