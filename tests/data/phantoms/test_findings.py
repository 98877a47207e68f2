import numpy as np
import pytest

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Anatomy, Bools, Floats, diaphragm, draw_anatomy, lung, of_side
from sightline.data.phantoms.findings import Finding, draw_finding
from sightline.data.phantoms.projection import Projection

U, V = Projection(96).coordinates()


def drawn(finding: Finding, seed: int, coordinates: tuple[Floats, Floats] = (U, V)) -> tuple[Anatomy, Bools, Floats]:
    anatomy = draw_anatomy(np.random.default_rng(seed))
    u, v = coordinates
    lungs = lung(anatomy, RIGHT, u, v) | lung(anatomy, LEFT, u, v)
    return anatomy, lungs, draw_finding(finding, anatomy, np.random.default_rng([seed, 1]), u, v, lungs)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("finding", ["pneumonia", "effusion"])
def test_opacity_is_a_visible_share_inside_the_lungs(finding: Finding, seed: int) -> None:
    _, lungs, opacity = drawn(finding, seed)
    assert not opacity[~lungs].any()
    assert 0.15 < opacity.max() < 1
    assert 0.015 < (opacity > 0).sum() / lungs.sum() < 0.6


def test_normal_lungs_are_clear() -> None:
    assert not drawn("normal", 0)[2].any()


@pytest.mark.parametrize("seed", range(10))
def test_effusion_fills_the_costophrenic_angle_from_below(seed: int) -> None:
    anatomy, lungs, opacity = drawn("effusion", seed)
    for side in (RIGHT, LEFT):
        here = (opacity > 0) & (side * U > 0)
        if not here.any():
            continue
        lowest = np.argmax(np.where(lungs & (side * U > 0), V, 0))
        assert here.flat[lowest]
        wet = np.flatnonzero(here.any(axis=0))
        for column in wet:  # nothing dry lies below fluid
            inside = np.flatnonzero(lungs[:, column] & (side * U[:, column] > 0))
            fluid = here[inside, column]
            assert (np.diff(fluid.astype(int)) >= 0).all()
        floor = float(diaphragm(anatomy, side, np.array(of_side(anatomy.width, side))))
        assert V[here].min() > floor - 0.36


def test_pneumonia_lies_at_the_same_place_at_any_resolution() -> None:
    _, _, fine = drawn("pneumonia", 3, Projection(192).coordinates())
    _, _, coarse = drawn("pneumonia", 3)
    pooled = fine.reshape(96, 2, 96, 2).mean(axis=(1, 3))
    assert np.abs(pooled - coarse).mean() < 0.01
    assert np.corrcoef(pooled.ravel(), coarse.ravel())[0, 1] > 0.95
