r"""Whether probabilities mean what they say.

Binning, unless told otherwise: 15 bins of equal width over [0, 1], each open below and closed above, 0 in the first.
The calibration error depends on it; it is above 0 by chance alone, the more so the fewer images a bin has, and
resamples of the same images raise it further. The Brier score needs no bins.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.averages import Array, ratio

Binning = Literal["width", "count"]


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """Predicted beside observed, bin by bin.

    Attributes:
        edges: of the bins, rising, `(M + 1,)`.
        predicted: mean probability in each bin, `(M,)` or `(B, M)`; NaN in an empty one.
        observed: share of positive images in each bin, likewise.
        counts: images in each bin, likewise.
    """

    edges: Array
    predicted: Array
    observed: Array
    counts: Array


def reliability_curve(
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    bins: int = 15,
    binning: Binning = "width",
    weights: Array | None = None,
) -> ReliabilityCurve:
    """Compare probabilities with how often they came true.

    Args:
        labels: 1 for positive, 0 for negative, NaN for unknown (left out), `(N,)`.
        probabilities: of being positive, `(N,)` in [0, 1].
        bins: how many.
        binning: `width` has bins of equal width, `count` as nearly as ties allow of equally many images.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Raises:
        ShapeError: the two are not both `(N,)`.
        DataError: a label is neither 0, 1 nor NaN, or a probability outside [0, 1].
        SettingsError: there is no bin, or no such binning.
    """
    if bins < 1:
        raise SettingsError(f"bins must be at least 1, got {bins}")
    if binning not in get_args(Binning):
        raise SettingsError(f"binning must be one of {', '.join(get_args(Binning))}, got {binning!r}")
    truth, values = _known(labels, probabilities)
    known = ~np.isnan(truth)
    counts = np.ones(truth.shape) if weights is None else weights
    shares = np.linspace(0, 1, bins + 1)
    edges = np.quantile(values[known], shares) if binning == "count" and known.any() else shares
    place = np.searchsorted(edges[1:-1], values[known], side="left")
    member = (place[:, None] == np.arange(bins)).astype(np.float64)  # (N, M)
    inside = counts[..., known] @ member
    predicted, observed = (
        ratio(counts[..., known] @ (member * column[known, None]), inside) for column in (values, truth)
    )
    return ReliabilityCurve(edges, predicted, observed, inside)


def calibration_error(
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    bins: int = 15,
    binning: Binning = "width",
    weights: Array | None = None,
) -> Array:
    r"""Expected calibration error: distance of predicted from observed, averaged over images.

    $$\mathrm{ECE} = \sum_m \frac{n_m}{N} |\bar y_m - \bar p_m|$$

    Of several classes, hand in what `top_label` gives.

    Args, errors: as `reliability_curve`.

    Returns:
        `()` or `(B,)` in [0, 1]; NaN without an image.

    Reference:
        Naeini, Cooper & Hauskrecht 2015; Guo et al. 2017, arXiv:1706.04599, eq. 3.
    """
    curve = reliability_curve(labels, probabilities, bins=bins, binning=binning, weights=weights)
    apart = np.nan_to_num(np.abs(curve.observed - curve.predicted))
    return ratio((curve.counts * apart).sum(-1), curve.counts.sum(-1))


def top_label(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Array, Array]:
    """Whether the most probable class was right, and its probability, `(N,)` each; of equal classes the first.

    Args:
        labels: true class, `(N,)` int.
        probabilities: of each class, `(N, K)`.

    Raises:
        ShapeError: labels and probabilities do not fit.
    """
    table, truth = np.asarray(probabilities, np.float64), np.asarray(labels)
    if table.ndim != 2 or truth.shape != table.shape[:1]:
        raise ShapeError(f"probabilities must be (N, K) and labels (N,), got {table.shape} and {truth.shape}")
    decided = table.argmax(1)
    return (decided == truth).astype(np.float64), np.take_along_axis(table, decided[:, None], 1)[:, 0]


def brier_score(labels: ArrayLike, probabilities: ArrayLike, *, weights: Array | None = None) -> Array:
    r"""Mean squared distance of probabilities from what came true.

    Args:
        labels: 1, 0 or NaN for unknown (left out), `(N,)`; or the true class, `(N,)` int.
        probabilities: of being positive, `(N,)`; or of each class, `(N, K)`.
        weights: times that each image counts, `(N,)`, or `(B, N)` for B resamples at once; None counts each once.

    Returns:
        `()` or `(B,)`, lower is better: of two sides $\overline{(p - y)^2}$ in [0, 1]; of K classes the sum over
        classes, as Brier has it, in [0, 2], which for K = 2 is twice as much. NaN without an image.

    Raises:
        ShapeError: labels and probabilities do not fit.
        DataError: a label is none of those, or a probability outside [0, 1].

    Reference:
        Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2, eq. 2.
    """
    table = np.asarray(probabilities, np.float64)
    if table.ndim == 2:
        truth = np.asarray(labels)
        if truth.shape != table.shape[:1]:
            raise ShapeError(f"probabilities must be (N, K) and labels (N,), got {table.shape} and {truth.shape}")
        if not np.isin(truth, np.arange(table.shape[1])).all():
            raise DataError(f"labels must lie in 0 to {table.shape[1] - 1}")
        _check_probabilities(table)
        known, errors = np.ones(len(table), bool), ((table - (truth[:, None] == np.arange(table.shape[1]))) ** 2).sum(1)
    else:
        truth, values = _known(labels, table)
        known, errors = ~np.isnan(truth), (values - truth) ** 2
    counts = np.ones(len(known)) if weights is None else weights
    return ratio(counts[..., known] @ errors[known], counts[..., known].sum(-1))


def _known(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Array, Array]:
    truth, values = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise ShapeError(f"labels and probabilities must both be (N,), got {truth.shape} and {values.shape}")
    known = ~np.isnan(truth)
    if not np.isin(truth[known], (0, 1)).all():
        raise DataError("labels must be 0, 1 or NaN; of several classes hand in top_label")
    _check_probabilities(values[known])
    return truth, values


def _check_probabilities(values: Array) -> None:
    if not ((values >= 0) & (values <= 1)).all():
        raise DataError("probabilities must lie in [0, 1]; take the sigmoid or softmax of logits")
