"""Areas under the ROC curve over small samples drawn again and again from one test split.

A way to report that is found in papers whose test split is small: 30 times 55 to 60 images are drawn, and the median of
the areas is printed with the limits between which 95 % of them lie. That says how much samples of this size vary among
the images at hand. It is no interval of confidence for other patients, and the smaller the sample is chosen, the wider
it gets; `bootstrap` gives one. Nor are the drawn areas independent: a test over them finds any difference if only they
are drawn often enough. `paired_bootstrap_test` asks what another sample of patients would have said.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.averages import Array, mean_defined, ratio
from sightline.metrics.intervals import Interval
from sightline.metrics.paired import DifferenceTest, welch_t_test
from sightline.metrics.ranking import auroc_one_vs_rest
from sightline.metrics.resampling import Resampling, bootstrap


@dataclass(frozen=True)
class SmallSamples:
    """How small samples are drawn from a test split; the paper does not say whether an image may be drawn twice.

    Attributes:
        iterations: how many samples.
        least: images of the smallest sample.
        most: images of the largest; each size in between is equally likely.
        replace: an image may be drawn twice.
        seed: of the draw.

    Reference:
        Watanabe et al. 2022, doi:10.3389/fradi.2022.991683, "Defining segmentation loss using heatmap generators".
    """

    iterations: int = 30
    least: int = 55
    most: int = 60
    replace: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise SettingsError(f"iterations must be at least 1, got {self.iterations}")
        if not 1 <= self.least <= self.most:
            raise SettingsError(f"least and most must satisfy 1 <= least <= most, got {self.least} and {self.most}")

    def draw(self, n: int) -> Array:
        """Count how often each of n images is in each sample, `(iterations, n)`.

        Raises:
            DataError: the images do not suffice without drawing one twice.
        """
        if n < 1 or (not self.replace and n < self.most):
            raise DataError(f"samples of {self.most} of {n} images need replace=True, and one image at least")
        generator = np.random.default_rng(self.seed)
        counts = np.zeros((self.iterations, n))
        for row in counts:
            size = generator.integers(self.least, self.most + 1)
            np.add.at(row, generator.choice(n, size, replace=self.replace), 1)
        return counts


def resampled_auroc(labels: ArrayLike, scores: ArrayLike, *, samples: SmallSamples | None = None) -> Array:
    """Area of each class against all others in each sample.

    Args:
        labels: true class, `(N,)` int, or 1, 0 and NaN per label, `(N, K)`.
        scores: score of each class, `(N, K)`.
        samples: how they are drawn; of one seed and number of images they are the same for every model.

    Returns:
        `(iterations, 1 + K)`: the mean over the classes that the sample has, then each class; NaN where undefined.

    Raises:
        ShapeError: labels and scores do not fit.
        DataError: a score is NaN or infinite, or the images do not suffice.
    """
    weights = (samples or SmallSamples()).draw(len(np.asarray(labels)))
    return _with_mean(auroc_one_vs_rest(labels, scores, weights=weights))


def resampled_intervals(areas: Array, *, samples: SmallSamples | None = None) -> list[Interval]:
    """Median and the limits between which 95 % of the areas lie, for each column of `resampled_auroc`.

    Args:
        areas: `(iterations, M)`; NaN are left out, `resamples` says how many stayed.
        samples: that they were drawn with.

    Returns:
        One interval a column, whose `n` is the size of the largest sample; NaN where nothing is defined.
    """
    drawn = samples or SmallSamples()
    intervals = []
    for column in np.asarray(areas, np.float64).T:
        known = column[~np.isnan(column)]
        low, value, high = np.quantile(known, [0.025, 0.5, 0.975]) if len(known) else (np.nan,) * 3
        method = "percentiles over small samples"
        intervals.append(
            Interval(float(value), float(low), float(high), drawn.most, method, resamples=len(known), seed=drawn.seed)
        )
    return intervals


def resampled_difference(first: Array, second: Array) -> list[DifferenceTest]:
    """Welch's t-test of the areas of two models, column by column of `resampled_auroc`; see the warning above.

    Args:
        first: `(iterations, M)`.
        second: `(iterations', M)`.

    Raises:
        ShapeError: they are of different classes.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ShapeError(f"areas must be two tables (iterations, M) of the same M, got {a.shape} and {b.shape}")
    return [welch_t_test(a[:, m], b[:, m]) for m in range(a.shape[1])]


def paired_bootstrap_test(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    patients: Sequence[str],
    *,
    resampling: Resampling | None = None,
) -> list[DifferenceTest]:
    r"""Test whether two models differ in area, by drawing the patients of the test split again for both at once.

    $$p = \min\left(1,\ 2\, \frac{1 + \min(\#\{d \le 0\}, \#\{d \ge 0\})}{1 + B}\right)$$ for B differences $d$.

    Args:
        labels: true class, `(N,)` int, or 1, 0 and NaN per label, `(N, K)`.
        first: scores of one model, `(N, K)`.
        second: of the other, for the same images.
        patients: patient of each image, `N` names.
        resampling: how often, from which seed, which level.

    Returns:
        First less second, for the mean over the classes and for each class; the statistic is the difference divided by
        the standard deviation of the differences that were drawn.

    Raises:
        ShapeError: labels and scores do not fit.
        DataError: there is no image, or a score is NaN or infinite.

    Reference:
        Efron & Tibshirani 1993, ch. 15 and 16 (the interval turned into a test; one is added for the data at hand).
    """
    blocks: list[Array] = []

    def statistic(weights: Array) -> dict[int, Array]:
        one, other = (_with_mean(auroc_one_vs_rest(labels, scores, weights=weights)) for scores in (first, second))
        blocks.append(one - other)
        return dict(enumerate(blocks[-1].T))

    drawing = resampling or Resampling()
    intervals = bootstrap(statistic, patients, resampling=drawing)
    resampled = np.concatenate(blocks)[1 : 1 + drawing.resamples]  # the first is the data; BCa leaves patients out last
    tests = []
    for drawn, interval in zip(resampled.T, intervals.values(), strict=True):
        known = drawn[~np.isnan(drawn)]
        least = min((known <= 0).sum(), (known >= 0).sum())
        p = min(1.0, 2 * (1 + least) / (1 + len(known))) if len(known) else np.nan
        spread = known.std(ddof=1) if len(known) > 1 else np.nan
        tests.append(DifferenceTest(float(ratio(interval.value, spread)), float(p), interval))
    return tests


def _with_mean(areas: Array) -> Array:
    return np.concatenate([mean_defined(areas)[..., None], areas], axis=-1)
