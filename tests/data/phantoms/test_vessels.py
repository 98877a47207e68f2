import numpy as np

from sightline.data.phantoms.anatomy import LEFT, RIGHT, draw_anatomy, lung
from sightline.data.phantoms.projection import Projection
from sightline.data.phantoms.vessels import grow_tree, splat, vessels_cm

FILM = Projection(128)
U, V = FILM.coordinates()


def testsplat_conserves_weight_and_its_centre() -> None:
    layers = splat(np.array([[3.25, 5.5]]), np.array([1.25]), np.array([8.0]), 16)
    assert layers.sum() == 8
    np.testing.assert_allclose(layers.sum(axis=(1, 2)), [0, 6, 2, 0])
    rows, columns = np.mgrid[:16, :16]
    assert (layers * columns).sum() / 8 == 3.25
    assert (layers * rows).sum() / 8 == 5.5


def testsplat_leaves_points_beyond_the_film_out() -> None:
    assert splat(np.array([[-1.0, 5.0], [5.0, 15.5]]), np.zeros(2), np.ones(2), 16).sum() == 0


def test_branches_taper_away_from_the_hilum() -> None:
    points, radii, _ = grow_tree(np.random.default_rng(0), np.array([0.1, 0.45]), LEFT)
    far = np.hypot(*(points - [0.1, 0.45]).T)
    assert radii[far < 0.04].mean() > 3 * radii[far > 0.15].mean()


def test_vessels_stay_with_the_lungs_and_thin_out_towards_the_pleura() -> None:
    anatomy = draw_anatomy(np.random.default_rng(5))
    lungs = lung(anatomy, RIGHT, U, V) | lung(anatomy, LEFT, U, V)
    blood = vessels_cm(anatomy, np.random.default_rng(1), FILM, lungs)
    aside = np.abs(U)
    assert (blood >= 0).all()
    assert blood[lungs & (aside < 0.17)].mean() > 1.5 * blood[lungs & (aside > 0.25)].mean()
    assert blood[aside > 0.42].max() < 0.01
