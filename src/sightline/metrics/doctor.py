r"""DOCTOR: whether to trust a prediction, told from its probabilities alone (the totally black box).

Both scores are higher the less a prediction is to be trusted, and reject where they are above a threshold $\gamma$.
What that costs and gains is told by two rates: false rejection (FRR), the share of right predictions that are rejected,
and false acceptance (FAR), the share of wrong ones that are not; the true rejection rate (TRR) is 1 - FAR.

Of a multi-label network each label is a prediction of its own, with the probabilities $(p, 1 - p)$; the source leaves
that open.

Reference:
    Granese et al. 2021, arXiv:2106.02395.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.averages import Array, ratio
from sightline.metrics.operating_points import specificity_at_sensitivity
from sightline.metrics.score_counts import counts_from


def doctor_alpha(probabilities: ArrayLike) -> Array:
    r"""Odds that two draws from the probabilities disagree.

    $$D_\alpha = (1 - \hat g) / \hat g, \qquad \hat g = \sum_y p_y^2$$

    Args:
        probabilities: of each class, `(..., K)`, that sum to 1.

    Returns:
        `(...)` in [0, K - 1]: 0 for a certain prediction, K - 1 for an even one.

    Raises:
        ShapeError: there is no class.
        DataError: a row holds no probabilities, or they do not sum to 1.
    """
    agreement = (_distribution(probabilities) ** 2).sum(-1)
    return ratio(1 - agreement, agreement).clip(min=0)


def doctor_beta(probabilities: ArrayLike) -> Array:
    r"""Odds that the prediction is wrong by its own account.

    $$D_\beta = \hat P_e / (1 - \hat P_e), \qquad \hat P_e = 1 - \max_y p_y$$

    Args:
        probabilities: of each class, `(..., K)`, that sum to 1.

    Returns:
        `(...)` in [0, K - 1]: 0 for a certain prediction, K - 1 for an even one.

    Raises:
        ShapeError: there is no class.
        DataError: a row holds no probabilities, or they do not sum to 1.
    """
    highest = _distribution(probabilities).max(-1)
    return ratio(1 - highest, highest).clip(min=0)


@dataclass(frozen=True, eq=False)
class RejectionCurve:
    """What each threshold rejects.

    Attributes:
        thresholds: from the highest score, which rejects nothing, down; the last, -inf, rejects all, `(T,)`.
        false_rejection: share of right predictions rejected, `(T,)`; NaN where no prediction is right.
        false_acceptance: share of wrong predictions not rejected, `(T,)`; NaN where none is wrong.
    """

    thresholds: Array
    false_rejection: Array
    false_acceptance: Array


def rejection_curve(scores: ArrayLike, right: ArrayLike) -> RejectionCurve:
    """Sweep the threshold above which predictions are rejected.

    Args:
        scores: higher means less to be trusted, `(N,)`.
        right: 1 where the prediction was right, 0 where wrong, NaN where unknown (left out), `(N,)`.

    Raises:
        ShapeError: the two are not both `(N,)`.
        DataError: `right` holds another number, or a score is NaN or infinite.
    """
    values, wrong, correct = counts_from(1 - np.asarray(right, np.float64), scores)
    rejected = [np.r_[0.0, counts] for counts in (correct, wrong)]  # above each score: at or above the one before
    false_rejection, caught = (ratio(counts, counts[-1]) for counts in rejected)
    return RejectionCurve(np.r_[values, -np.inf], false_rejection, 1 - caught)


def false_rejection_rate(scores: ArrayLike, right: ArrayLike, *, true_rejection: float = 0.95) -> float:
    """Least share of right predictions that must be rejected to reject so many of the wrong ones.

    Args:
        scores: higher means less to be trusted, `(N,)`.
        right: 1 where the prediction was right, 0 where wrong, NaN where unknown (left out), `(N,)`.
        true_rejection: least share of wrong predictions rejected, over 0 to 1.

    Returns:
        In [0, 1]; NaN where no prediction is right, or none is wrong.

    Raises:
        ShapeError: the two are not both `(N,)`.
        DataError: `right` holds another number, or a score is NaN or infinite.
        SettingsError: the share lies outside (0, 1].
    """
    if not 0 < true_rejection <= 1:
        raise SettingsError(f"true_rejection must be a share over 0 to 1, got {true_rejection}")
    wrong = 1 - np.asarray(right, np.float64)
    return float(1 - specificity_at_sensitivity(wrong, scores, sensitivity=true_rejection))


def _distribution(probabilities: ArrayLike) -> Array:
    table = np.asarray(probabilities, np.float64)
    if table.ndim < 1 or not table.shape[-1]:
        raise ShapeError(f"probabilities must be (..., K) with K of at least 1, got {table.shape}")
    if not ((table >= 0).all() and np.allclose(table.sum(-1), 1, atol=1e-3)):
        raise DataError("probabilities must not be negative and sum to 1; of a sigmoid hand in (p, 1 - p) stacked last")
    return table
