import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.spectral_clustering import laplacian_eigenvectors, neighbour_affinity, spectral_clusters


def clouds(sizes: list[int], *, apart: float = 6.0, seed: int = 0, axes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Round clouds of points around corners of a box."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    return apart * np.eye(axes)[truth % axes] + 0.5 * rng.standard_normal((len(truth), axes)), truth


def test_the_affinity_is_that_of_scikit_learn() -> None:
    points, _ = clouds([12, 9])
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    near = kneighbors_graph(points, 4, mode="connectivity", include_self=False).toarray()
    np.testing.assert_array_equal(neighbour_affinity(distances, 4), (near + near.T) / 2)


def test_points_that_are_equally_far_are_all_neighbours() -> None:
    distances = np.ones((5, 5)) - np.eye(5)
    np.testing.assert_array_equal(neighbour_affinity(distances, 1), distances)


def test_the_eigenvalues_of_a_pair_of_triangles_by_hand() -> None:
    triangle = np.ones((3, 3)) - np.eye(3)
    affinity = np.kron(np.eye(2), triangle)
    values, vectors = laplacian_eigenvectors(affinity, 6)
    np.testing.assert_allclose(values, [0, 0, 1.5, 1.5, 1.5, 1.5], atol=1e-12)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(6), atol=1e-12)


@pytest.mark.parametrize("sizes", [[30], [25, 20], [20, 15, 10], [14, 13, 12, 11, 10]])
def test_as_many_clouds_are_found_as_there_are(sizes: list[int]) -> None:
    points, truth = clouds(sizes)
    found = spectral_clusters(points)
    assert found.count == len(sizes)
    assert adjusted_rand_score(truth, found.labels) == 1.0
    assert np.bincount(found.labels).tolist() == sizes  # the largest first


def test_groups_agree_with_those_of_scikit_learn_where_clouds_touch() -> None:
    points, truth = clouds([40, 40], apart=1.3, seed=3)
    theirs = SpectralClustering(2, affinity="nearest_neighbors", n_neighbors=7, random_state=0).fit_predict(points)
    found = spectral_clusters(points, neighbours=7, most=2)
    assert found.count == 2
    assert adjusted_rand_score(theirs, found.labels) > 0.9
    assert adjusted_rand_score(truth, found.labels) > 0.9


def test_rings_that_no_mean_tells_apart() -> None:
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], 1)
    found = spectral_clusters(np.concatenate([ring, 4 * ring]), neighbours=4, most=2)
    assert found.count == 2
    assert len(set(found.labels[:60])) == len(set(found.labels[60:])) == 1


@given(seed=st.integers(0, 50))
def test_the_order_of_the_points_changes_no_group(seed: int) -> None:
    points, _ = clouds([12, 9, 7])
    order = np.random.default_rng(seed).permutation(len(points))
    one, other = spectral_clusters(points), spectral_clusters(points[order])
    np.testing.assert_array_equal(one.labels[order], other.labels)
    np.testing.assert_allclose(one.eigenvalues, other.eigenvalues, atol=1e-9)


def test_points_that_are_alike_are_one_group() -> None:
    rng = np.random.default_rng(0)
    points = 0.01 * rng.standard_normal((30, 4))
    found = spectral_clusters(points, alike=0.1)
    assert (found.count, len(found.eigenvalues)) == (1, 0)
    assert spectral_clusters(np.zeros((12, 3))).count == 1


def test_equal_points_stay_together_beside_others() -> None:
    points = np.concatenate([np.zeros((20, 2)), np.ones((15, 2))])
    found = spectral_clusters(points)
    assert found.labels.tolist() == [0] * 20 + [1] * 15


def test_a_few_points_are_one_group_and_no_group_is_small() -> None:
    assert spectral_clusters(np.eye(3)).count == 1
    assert spectral_clusters(np.eye(1)).labels.tolist() == [0]
    points, _ = clouds([6, 5, 4, 3])
    assert spectral_clusters(points, least=6).count <= 3


def test_what_cannot_be_grouped_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(N, P\), got \(3,\)"):
        spectral_clusters(np.zeros(3))
    with pytest.raises(DataError, match="finite"):
        spectral_clusters(np.full((5, 2), np.nan))
    with pytest.raises(DataError, match="one at least"):
        spectral_clusters(np.empty((0, 2)))
    with pytest.raises(SettingsError, match="at least 1"):
        spectral_clusters(np.zeros((5, 2)), most=0)
