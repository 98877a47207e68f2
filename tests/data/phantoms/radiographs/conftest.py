from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
import pytest
from scipy import ndimage

from sightline.data.phantoms.anatomy import RIGHT, Bools
from sightline.data.phantoms.hospitals import FARFIELD, HILLCREST, NORTHGATE, RIVERSIDE
from sightline.data.phantoms.radiographs import Finding, Radiograph, make_radiograph

HOSPITALS = (RIVERSIDE, HILLCREST, NORTHGATE, FARFIELD)
Take = Callable[..., Radiograph]


@lru_cache(maxsize=64)
def _take(index: int, findings: tuple[tuple[Finding, float], ...] | None, size: int) -> Radiograph:
    findings_of = None if findings is None else dict(findings)
    return make_radiograph((7, index), HOSPITALS[index % 4], size, findings_of)


@pytest.fixture(scope="session")
def take() -> Take:
    """Take the film of patient `index`, hospitals in turn, with given findings; many tests look at the same."""

    def taken(index: int, findings: Mapping[Finding, float] | None = None, size: int = 128) -> Radiograph:
        return _take(index, None if findings is None else tuple(findings.items()), size)

    return taken


@pytest.fixture(scope="session")
def lung_of() -> Callable[[Radiograph, int], Bools]:
    """Find the lung of one side on a film."""

    def found(film: Radiograph, side: int) -> Bools:
        pieces, _ = ndimage.label(film.lungs)
        first, second = np.argsort(np.bincount(pieces.ravel())[1:])[-2:] + 1
        right, left = sorted((first, second), key=lambda piece: float(np.nonzero(pieces == piece)[1].mean()))
        lung: Bools = pieces == (right if side == RIGHT else left)
        return lung

    return found
