import numpy as np
import pytest

from sightline.data.phantoms.anatomy import LEFT, RIGHT
from sightline.data.phantoms.ct.grid import Grid
from sightline.data.phantoms.ct.trees import Branches, draw, grow

GRID = Grid(100, 200.0, 2.0)


def tree(side: int) -> Branches:
    rng = np.random.default_rng(0)
    return grow(rng, (100.0, 0.0, 40.0 * side), side, trunks=4, radius=4.0, length=30.0, generations=5)


def test_branches_fork_in_two_and_taper() -> None:
    grown = tree(LEFT)
    assert len(grown.starts) == 4 * (2**5 - 1)
    lasts, firsts = grown.radii[-64:].mean(), grown.radii[:4].mean()
    assert lasts < 0.5 * firsts
    for index in range(4, len(grown.starts)):  # every branch starts where one of the generation before ends
        assert (np.abs(grown.ends - grown.starts[index]).sum(axis=1) < 1e-9).any()


def test_they_grow_away_from_the_midline() -> None:
    assert tree(LEFT).ends[:, 2].mean() > 45
    assert tree(RIGHT).ends[:, 2].mean() < -45


@pytest.mark.parametrize("radius", [0.4, 3.0])
def test_what_is_drawn_has_the_volume_of_the_branches(radius: float) -> None:
    branch = Branches(np.array([[80.0, -30.0, -40.0]]), np.array([[120.0, 30.0, 30.0]]), np.full((1, 2), radius))
    drawn = draw(branch, GRID)
    length = np.linalg.norm(branch.ends - branch.starts)
    ends = 4 / 3 * np.pi * radius**3 if radius > 1 else 0  # tubes have round ends
    assert drawn.sum() * 8 == pytest.approx(np.pi * radius**2 * length + ends, rel=0.06)
    assert drawn.max() <= 1


def test_branches_beyond_the_scan_are_left_out() -> None:
    away = Branches(
        np.array([[900.0, 0, 0], [900.0, 0, 0]]), np.array([[950.0, 0, 0]] * 2), np.array([[3.0, 3], [0.3] * 2])
    )
    assert not draw(away, GRID).any()
