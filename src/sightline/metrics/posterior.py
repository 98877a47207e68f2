r"""What a confusion matrix says about the scores of the classifier, as a posterior.

The model: class shares $\mu \sim \mathrm{Dirichlet}(1, \dots, 1)$, the matrix's row sums multinomial in them; for
each true class i the decisions $\theta_i \sim \mathrm{Dirichlet}(1, \dots, 1)$, its row multinomial in them. It is
conjugate, $\mu \mid c \sim \mathrm{Dirichlet}(1 + n)$ and $\theta_i \mid c \sim \mathrm{Dirichlet}(1 + c_i)$, so
where the papers run a Markov chain we draw from the exact posterior. A draw is the joint table $\mu_i \theta_{ij}$, and
the scores are those of `sightline.metrics.classification`. The images count as independent; with several a patient use
`bootstrap`.

The papers' prior is worth one image in each cell, which pulls scores towards chance. Where a class has a dozen images
that is much: with 100 images of three classes the intervals lie too low. `prior=1 / K` is worth one image a class.

Reference:
    Zhang, Wang & Zhao 2015, doi:10.1145/2808194.2809488; the exact shortcut is ours.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.averages import Array
from sightline.metrics.intervals import Interval, highest_density_interval

_BLOCK = 2**22  # numbers in memory at once, 32 MiB


def posterior_draws(
    confusion: ArrayLike,
    statistic: Callable[[Array], Array],
    *,
    draws: int = 100_000,
    seed: int = 0,
    prior: float = 1.0,
) -> Array:
    """Draw scores from their posterior.

    Args:
        confusion: counts with the true class along rows, `(K, K)`.
        statistic: score of tables, `(D, K, K)` to `(D, ...)`, such as `macro_f1` or `recall`.
        draws: D.
        seed: seed of the draw.
        prior: images that each cell, and each class, is taken to have had before.

    Returns:
        `(D, ...)`.

    Raises:
        ShapeError: the matrix is not square.
        DataError: a count is negative or not finite.
        SettingsError: the prior is not positive.
    """
    if not 0 < prior < np.inf:
        raise SettingsError(f"prior must be a number of images above 0, got {prior}; 1 is that of the papers")
    counts = np.asarray(confusion, np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ShapeError(f"confusion must be (K, K), got {counts.shape}")
    if not (np.isfinite(counts).all() and (counts >= 0).all()):
        raise DataError("confusion must hold counts, got a negative or undefined entry")
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK // counts.size)
    blocks = []
    for start in range(0, draws, rows):
        size = min(rows, draws - start)
        shares = generator.dirichlet(prior + counts.sum(axis=1), size)  # (D, K)
        decisions = np.stack([generator.dirichlet(prior + row, size) for row in counts], axis=1)  # (D, K, K)
        blocks.append(statistic(shares[:, :, None] * decisions))
    return np.concatenate(blocks)


def posterior_interval(
    confusion: ArrayLike,
    statistic: Callable[[Array], Array],
    *,
    draws: int = 100_000,
    seed: int = 0,
    level: float = 0.95,
    prior: float = 1.0,
) -> Interval:
    """Give a score its posterior mean and its interval of highest density.

    Args:
        confusion: counts with the true class along rows, `(K, K)`.
        statistic: score of tables, `(D, K, K)` to `(D,)`, such as `macro_f1`.
        draws: draws from the posterior.
        seed: seed of the draw.
        level: probability inside the interval.
        prior: images that each cell, and each class, is taken to have had before.

    Returns:
        Posterior mean as `value`, limits, and the images counted as `n`.

    Raises:
        ShapeError: the matrix is not square.
        DataError: a count is negative or not finite.
        SettingsError: the level lies outside (0, 1), or the prior is not positive.
    """
    scores = posterior_draws(confusion, statistic, draws=draws, seed=seed, prior=prior)
    low, high = highest_density_interval(scores, level=level)
    n = int(np.asarray(confusion).sum())
    method = "Dirichlet posterior, highest density"
    return Interval(float(scores.mean()), low, high, n, method, level, resamples=draws, seed=seed)
