from collections.abc import Callable, Sequence

import numpy as np
import pytest

from sightline.regions.gaze import Fixations

MakeFixations = Callable[..., Fixations]


@pytest.fixture
def fixations() -> MakeFixations:
    """Make fixations from places and, if need be, times."""

    def make(
        places: Sequence[tuple[float, float]],
        size: tuple[int, int],
        *,
        duration: Sequence[float] | None = None,
        start: Sequence[float] | None = None,
        pixels_per_degree: tuple[float, float] | None = None,
    ) -> Fixations:
        x, y = np.asarray(places, float).reshape(-1, 2).T
        count = len(places)
        return Fixations(
            x,
            y,
            np.arange(count, dtype=float) if start is None else np.asarray(start, float),
            np.ones(count) if duration is None else np.asarray(duration, float),
            size,
            None if pixels_per_degree is None else np.tile(np.asarray(pixels_per_degree, float), (count, 1)),
        )

    return make


@pytest.fixture
def random_fixations(fixations: MakeFixations) -> Callable[..., Fixations]:
    """Make fixations at random places on an image."""

    def make(count: int, size: tuple[int, int], seed: int = 0) -> Fixations:
        rng = np.random.default_rng(seed)
        places = rng.uniform((0, 0), (size[1], size[0]), (count, 2))
        return fixations(
            places, size, duration=rng.uniform(0.1, 1, count), start=np.sort(rng.uniform(0, 9, count)).tolist()
        )

    return make
