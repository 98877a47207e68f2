from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from sightline.data.phantoms.ct import CT_FINDINGS, SCANNERS, SHORTCUTS, CTFinding, CTPhantom

Scan = Callable[..., CTPhantom]


def voxels(phantom: CTPhantom, index: int, finding: CTFinding) -> np.ndarray:
    """Where the object of a finding is seen."""
    scanner = SCANNERS[index % 3]
    bare, marked = phantom.develop(scanner).astype(int), phantom.develop(scanner, [finding]).astype(int)
    return np.abs(marked - bare) > 100


@pytest.mark.parametrize("finding", CT_FINDINGS)
def test_it_lies_outside_the_body_and_away_from_the_edge(scan: Scan, finding: CTFinding) -> None:
    for index in range(6):
        one = scan(index, {}, 64)
        seen = voxels(one, index, finding)
        assert not seen[one.body <= 0].any()
        assert not seen[one.parts > 0].any()
        cubic_cm = seen.sum() * np.prod(one.grid.spacing_mm) / 1000
        assert 5 < cubic_cm < 60
        assert np.ptp(np.nonzero(seen)[0]) * one.grid.slice_mm > 30  # over several slices
        rows, columns = np.nonzero(seen.any(axis=0))
        assert min(rows.min(), columns.min()) >= 3
        assert max(rows.max(), columns.max()) <= 60


def test_each_has_a_place_and_a_density_of_its_own(scan: Scan) -> None:
    one = scan(0, {}, 64)
    seen = {finding: voxels(one, 0, finding) for finding in CT_FINDINGS}
    for first, second in combinations(CT_FINDINGS, 2):
        assert not (seen[first] & seen[second]).any()
    assert len({shortcut.hu for shortcut in SHORTCUTS.values()}) == len(CT_FINDINGS)
    everything = one.develop(SCANNERS[0], CT_FINDINGS)
    for finding in CT_FINDINGS:
        np.testing.assert_array_equal(everything[seen[finding]], one.develop(SCANNERS[0], [finding])[seen[finding]])


def test_it_lies_elsewhere_in_each_patient_and_the_same_each_time(scan: Scan) -> None:
    first, second = (scan(index, {}, 64) for index in (0, 4))
    assert (voxels(first, 0, "nodule") != voxels(second, 0, "nodule")).any()
    np.testing.assert_array_equal(first.develop(SCANNERS[0], ["nodule"]), first.develop(SCANNERS[0], ["nodule"]))
