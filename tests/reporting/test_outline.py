import re

import numpy as np
import pytest

from sightline.errors import ShapeError
from sightline.reporting.outline import LONGEST, outline_path


def points(path: str) -> np.ndarray:
    return np.array([int(number) for number in re.findall(r"\d+", path)]).reshape(-1, 2)


def test_the_edge_of_a_disc_is_where_it_is() -> None:
    down, across = np.mgrid[:100, :200] + 0.5
    disc = np.hypot(across - 120, down - 40) < 30
    found = points(outline_path(disc)) * 200 / LONGEST
    radius = np.hypot(found[:, 0] - 120, found[:, 1] - 40)
    np.testing.assert_allclose(radius, 30, atol=1)
    assert len(found) > 50


def test_two_lungs_have_two_edges() -> None:
    region = np.zeros((40, 40))
    region[10:30, 5:15] = region[10:30, 25:35] = 1
    assert outline_path(region).count("M") == 2


def test_a_finer_grid_gives_the_same_edge() -> None:
    region = np.zeros((50, 50))
    region[10:30, 5:25] = 1
    coarse, fine = points(outline_path(region)), points(outline_path(np.kron(region, np.ones((8, 8)))))
    for end in (np.min, np.max):
        np.testing.assert_allclose(end(coarse, axis=0), end(fine, axis=0), atol=10)


@pytest.mark.parametrize("value", [np.nan, 0.0, 1.0, 0.4])
def test_a_region_that_is_unknown_or_without_an_edge_has_no_path(value: float) -> None:
    assert outline_path(np.full((1, 8, 8), value)) == ""


def test_another_number_of_axes_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"region must be \(H, W\)"):
        outline_path(np.zeros((2, 8, 8)))
