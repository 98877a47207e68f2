"""The region that holds most of what speaks for a class."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SHARE = 0.5
SMOOTH = 0.02


def top_region(drawn: NDArray[np.float32], *, share: float = SHARE, smooth: float = SMOOTH) -> NDArray[np.bool_]:
    r"""Return the smallest set of places that holds a share of the positive relevance.

    The map is summed in a Gaussian neighbourhood first, since maps of the input's resolution alternate in sign from
    pixel to pixel. Of the places $p$ in falling order of $v_p = \max(0, (G * R)_p)$, those up to the first where the
    sum reaches the share of $\sum_p v_p$; places of equal value count together.

    Args:
        drawn: signed map, `(*S)`.
        share: of the positive relevance, in (0, 1].
        smooth: standard deviation of the Gaussian, share of the longest side.

    Returns:
        `(*S)`; empty where nothing speaks for the class.
    """
    spread = ndimage.gaussian_filter(drawn.astype(np.float64), smooth * max(drawn.shape), mode="constant")
    positive = np.maximum(spread, 0)
    total = positive.sum()
    if total <= 0:
        return np.zeros(drawn.shape, bool)
    falling = np.sort(positive, axis=None)[::-1]
    reached = int(np.searchsorted(np.cumsum(falling), share * total))
    least = falling[min(reached, falling.size - 1)]
    region: NDArray[np.bool_] = (positive >= least) & (positive > 0)
    return region
