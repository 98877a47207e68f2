"""McNemar's test: whether two models, right and wrong on the same images, err equally often."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from sightline.errors import DataError, ShapeError


@dataclass(frozen=True)
class McNemarTest:
    """How often each of two models was right alone, and how surprising that is.

    Attributes:
        first_only: images that only the first model got right.
        second_only: images that only the second got right.
        n: images compared.
        p_exact: two-sided, binomial; never too small, but on few disagreements too large.
        p_mid: the same with half of the probability of what was seen (mid-p), which is on average right.
    """

    first_only: int
    second_only: int
    n: int
    p_exact: float
    p_mid: float

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return asdict(self)


def mcnemar(first_right: ArrayLike, second_right: ArrayLike) -> McNemarTest:
    r"""Test whether two models are right equally often on the same images.

    Of the b + c images that just one of them got right, each is as likely to be either's:
    $p = \min(1, 2 P(X \le \min(b, c)))$ with $X \sim \mathrm{Bin}(b + c, 1/2)$, and $p_{mid} = 2 P(X < \min(b, c)) +
    P(X = \min(b, c))$. The images count as independent: with several a patient bootstrap the difference.

    Args:
        first_right: 1 where the first model was right, else 0, NaN where unknown (the image is left out), `(N,)`.
        second_right: of the second, for the same images.

    Returns:
        Both p are 1 where no image was got right by one alone: all that could have happened is as extreme.

    Raises:
        ShapeError: the rows do not fit.
        DataError: a number is neither 0, 1 nor NaN.

    Reference:
        McNemar 1947, doi:10.1007/BF02295996; Fagerland, Lydersen & Laake 2013, doi:10.1186/1471-2288-13-91 (mid-p).

    Example:
        >>> mcnemar([1, 1, 1, 0, 1], [0, 0, 1, 0, 0]).p_exact
        0.25
    """
    a, b = np.asarray(first_right, np.float64), np.asarray(second_right, np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ShapeError(f"both must be rows (N,) of one length, got {a.shape} and {b.shape}")
    known = ~(np.isnan(a) | np.isnan(b))
    if not (np.isin(a[known], (0, 1)).all() and np.isin(b[known], (0, 1)).all()):
        raise DataError("rows must hold 1 for right and 0 for wrong; compare decisions with labels first")
    first_only, second_only = int((a[known] > b[known]).sum()), int((a[known] < b[known]).sum())
    least, apart = min(first_only, second_only), first_only + second_only
    tail = 2 * float(stats.binom.cdf(least, apart, 0.5))
    return McNemarTest(
        first_only,
        second_only,
        int(known.sum()),
        min(1.0, tail),
        min(1.0, tail - float(stats.binom.pmf(least, apart, 0.5))),
    )
