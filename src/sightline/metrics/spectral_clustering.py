"""Groups of points that hang together, and how many there are: spectral clustering over nearest neighbours.

Reference:
    von Luxburg 2007, doi:10.1007/s11222-007-9033-z, sections 2.2 (graphs of neighbours), 3.2 (the normalised Laplacian)
    and 8.3 (the eigengap); Ng et al. 2002 (rows of eigenvectors, brought to length 1, and k-means). For heatmaps:
    Lapuschkin et al. 2019, doi:10.1038/s41467-019-08987-4 (SpRAy).
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.cluster.vq import ClusterError, kmeans2
from scipy.linalg import eigh
from scipy.spatial.distance import cdist, squareform

from sightline.errors import DataError, SettingsError, ShapeError

Array: TypeAlias = NDArray[np.float64]

_TIE = 1e-9  # distances that differ by less, as a share, are equal


@dataclass(frozen=True, eq=False)
class Clusters:
    """Points in groups.

    Attributes:
        labels: group of each point, from 0, the largest group first, `(N,)`.
        eigenvalues: the least ones of the normalised Laplacian, rising from 0, as many as were looked at, `(M,)`; empty
            where the points are too alike or too few to be told apart.
        distances: between points, `(N, N)`.
    """

    labels: NDArray[np.int64]
    eigenvalues: Array
    distances: Array

    @property
    def count(self) -> int:
        """Number of groups."""
        return int(self.labels.max()) + 1


def neighbour_affinity(distances: Array, neighbours: int) -> Array:
    """Join each point with its nearest ones: 1 where both are among each other's nearest, 1/2 where one is.

    Args:
        distances: `(N, N)`.
        neighbours: how many; points as far as the last of them count too, so that no order decides.

    Returns:
        `(N, N)`, symmetric, 0 on the diagonal.
    """
    apart = distances.copy()
    np.fill_diagonal(apart, np.inf)
    limit = np.partition(apart, neighbours - 1, axis=1)[:, neighbours - 1 : neighbours]
    near = (apart <= limit * (1 + _TIE)).astype(np.float64)
    affinity: Array = (near + near.T) / 2
    return affinity


def laplacian_eigenvectors(affinity: Array, count: int) -> tuple[Array, Array]:
    r"""Return the least eigenvalues, rising, and eigenvectors of $I - D^{-1/2} W D^{-1/2}$.

    Args:
        affinity: $W$, `(N, N)`; every point must be joined with another one.
        count: how many.

    Returns:
        `(count,)`, and `(N, count)`.
    """
    scale = 1 / np.sqrt(affinity.sum(1))
    laplacian = np.eye(len(affinity)) - scale[:, None] * affinity * scale
    values, vectors = eigh(laplacian, subset_by_index=[0, count - 1])
    return np.maximum(values, 0.0), vectors


def spectral_clusters(
    points: ArrayLike, *, neighbours: int | None = None, most: int = 8, alike: float = 0.0, least: int = 3
) -> Clusters:
    """Group points; how many groups there are is where the gap between two eigenvalues is widest.

    Nothing is drawn at random: k-means begins with Ward's clusters of the embedded points, so the order of the points
    decides nothing either but for ties.

    Args:
        points: `(N, P)`.
        neighbours: each point is joined with; None takes log2 N, rounded up, and at least 3.
        most: groups at most.
        alike: points of which 19 in 20 pairs are at most this far apart are one group.
        least: points that a group should have: there are at most N / least groups.

    Returns:
        The groups; one where the points are alike, or fewer than four.

    Raises:
        ShapeError: the points are no table.
        DataError: there is none, or a number is not finite.
        SettingsError: a count is less than 1.
    """
    table = np.asarray(points, np.float64)
    if table.ndim != 2:
        raise ShapeError(f"points must be (N, P), got {table.shape}")
    if not len(table) or not np.isfinite(table).all():
        raise DataError(f"points must be finite, and one at least, got {len(table)}")
    if min(most, least, 1 if neighbours is None else neighbours) < 1:
        raise SettingsError(f"neighbours, most and least must be at least 1, got {neighbours}, {most} and {least}")
    n = len(table)
    distances = cdist(table, table)
    groups = min(most, n // least)
    if n < 4 or groups < 2 or np.quantile(squareform(distances, checks=False), 0.95) <= alike:
        return Clusters(np.zeros(n, np.int64), np.empty(0), distances)
    wanted = max(3, int(np.ceil(np.log2(n)))) if neighbours is None else neighbours
    affinity = neighbour_affinity(distances, min(wanted, n - 1))
    values, vectors = laplacian_eigenvectors(affinity, groups + 1)
    count = int(np.diff(values).argmax()) + 1
    return Clusters(_by_size(_partition(vectors[:, :count])), values, distances)


def _partition(vectors: Array) -> NDArray[np.int64]:
    """Group the rows of K eigenvectors into K groups at most."""
    count = vectors.shape[1]
    if count == 1:
        return np.zeros(len(vectors), np.int64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = vectors / np.where(length > 0, length, 1)
    start = fcluster(linkage(rows, "ward"), count, "maxclust")
    centres = np.stack([rows[start == group].mean(0) for group in np.unique(start)])
    try:
        _, labels = kmeans2(rows, centres, iter=100, minit="matrix", missing="raise")
    except ClusterError:  # a group ran empty
        labels = start
    return np.asarray(labels, np.int64)


def _by_size(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number groups anew, the largest first; of equal ones that with the first point."""
    names, first, place, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    return rank[place]
