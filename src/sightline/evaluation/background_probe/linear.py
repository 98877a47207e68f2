r"""A linear probe: ridge regression of 0 and 1 on pixels, tried on patients whom it has not seen.

With standardised features $X$ and centred labels $y$ of $n$ images,

$$w = (X^\top X + \lambda n I)^{-1} X^\top y$$

and the score of an image is $x^\top w$. One decomposition of $X^\top X$, or of $X X^\top$ where there are fewer images
than features, serves all labels and all strengths. For the order of scores, which is all that the area under the curve
needs, the squared error does what the logistic loss does.

Reference:
    Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, 3.4.1 and 4.2.
"""

from collections.abc import Sequence

import numpy as np

from sightline.data.images import Array
from sightline.metrics import auroc

STRENGTHS = tuple(float(value) for value in np.logspace(-3, 2, 11))


def linear_scores(features: Array, targets: Array, folds: Array, *, strengths: Sequence[float] = STRENGTHS) -> Array:
    """Score every image by a probe that was fitted on other folds.

    For each fold the strength is chosen on the next one, by a probe that was fitted on the rest; then the probe is
    fitted on all but the fold.

    Args:
        features: `(N, F)`.
        targets: 1, 0, or NaN where unknown, `(N, T)`; each is a probe of its own.
        folds: fold of each image, from 0, `(N,)`; at least three.
        strengths: of the penalty, to choose from.

    Returns:
        `(N, T)`; 0 where a probe could not be fitted, because its labels are all equal.
    """
    scores = np.zeros(targets.shape)
    number = int(folds.max()) + 1
    patterns, same = np.unique(~np.isnan(targets), axis=1, return_inverse=True)  # targets known for the same images
    for index, known in enumerate(patterns.T):
        columns = np.flatnonzero(same.ravel() == index)
        for fold in range(number):
            test, tune = folds == fold, folds == (fold + 1) % number
            fit, rest = known & ~test & ~tune, known & ~test
            if not fit.any():
                continue
            tried = _ridge(features[fit], targets[np.ix_(fit, columns)], strengths, features[known & tune])
            best = _best(targets[np.ix_(known & tune, columns)], tried)
            made = _ridge(features[rest], targets[np.ix_(rest, columns)], strengths, features[test])
            scores[np.ix_(test, columns)] = made[best, :, np.arange(len(columns))].T
    return scores


def _ridge(features: Array, targets: Array, strengths: Sequence[float], others: Array) -> Array:
    """Fit on some images and score others with each strength, `(strengths, others, T)`."""
    mean, spread = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    varies = spread > 1e-6
    x, z = ((rows[:, varies] - mean[varies]) / spread[varies] for rows in (features, others))
    y = targets - targets.mean(axis=0)
    if len(x) < x.shape[1]:  # the same by X X', which is smaller
        values, vectors = np.linalg.eigh(x @ x.T)
        turned, seen = vectors.T @ y, z @ x.T @ vectors
    else:
        values, vectors = np.linalg.eigh(x.T @ x)
        turned, seen = vectors.T @ (x.T @ y), z @ vectors
    shrunk = [turned / (values.clip(0) + strength * len(x))[:, None] for strength in strengths]
    return np.stack([seen @ weights for weights in shrunk])


def _best(targets: Array, scores: Array) -> Array:
    """Return the strength with the largest area for each target; the middle one where no area is defined."""
    middle = len(scores) // 2
    best = []
    for column in range(targets.shape[1]):
        areas = np.asarray([float(auroc(targets[:, column], tried[:, column])) for tried in scores])
        best.append(middle if np.isnan(areas).all() else int(np.nanargmax(areas)))
    return np.asarray(best)
