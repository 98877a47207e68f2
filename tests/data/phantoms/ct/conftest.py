from collections.abc import Callable, Mapping
from functools import lru_cache

import pytest

from sightline.data.phantoms.ct import ATRIUM, BEACON, CEDAR, DELTA, CTFinding, CTPhantom, make_ct

SCANNERS = (ATRIUM, BEACON, CEDAR, DELTA)


@lru_cache(maxsize=32)
def _scan(index: int, findings: tuple[tuple[CTFinding, float], ...], size: int) -> CTPhantom:
    return make_ct((7, index), SCANNERS[index % 4], size, dict(findings))


@pytest.fixture(scope="session")
def scan() -> Callable[..., CTPhantom]:
    """Scan patient `index`, scanners in turn, with given findings."""

    def scanned(index: int, findings: Mapping[CTFinding, float], size: int = 48) -> CTPhantom:
        return _scan(index, tuple(findings.items()), size)

    return scanned
