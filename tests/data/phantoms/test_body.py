import numpy as np

from sightline.data.phantoms.anatomy import draw_anatomy
from sightline.data.phantoms.body import body_cm, gas_cm, trunk_half
from sightline.data.phantoms.projection import Projection

U, V = Projection(96).coordinates()


def test_trunk_is_as_thick_as_drawn_and_mirror_symmetric() -> None:
    anatomy = draw_anatomy(np.random.default_rng(1))
    thick = body_cm(anatomy, U, V)
    np.testing.assert_allclose(thick, thick[:, ::-1])
    assert 0.9 * anatomy.depth_cm < thick[60, 48] < 1.3 * anatomy.depth_cm


def test_there_is_air_beside_the_neck_and_under_the_arms() -> None:
    for seed in range(8):
        anatomy = draw_anatomy(np.random.default_rng(seed))
        thick = body_cm(anatomy, U, V)
        assert thick[0, 5] == thick[0, -5] == 0
        level = anatomy.shoulder + 0.4
        aside = float(trunk_half(anatomy, np.array(level))) + 0.01
        assert body_cm(anatomy, np.array([aside]), np.array([level]))[0] < 0.5


def test_stomach_gas_lies_under_the_left_dome_above_a_level() -> None:
    drawn = [draw_anatomy(np.random.default_rng(seed)) for seed in range(30)]
    with_gas = [one for one in drawn if one.stomach[2]]
    assert 10 < len(with_gas) < 30
    for one in with_gas:
        gas = gas_cm(one, U, V)
        assert gas.max() > 2
        assert (U[gas > 0] > 0).all()
        assert (V[gas > 0] > one.dome[1]).all()
        assert (V[gas > 0] < one.dome[1] + one.stomach[1] + 0.35 * one.stomach[3]).all()
    without = next(one for one in drawn if not one.stomach[2])
    assert not gas_cm(without, U, V).any()
