"""How long the eyes took from one fixation to the next, written at single places: the gaze that GazeGNN reads."""

import numpy as np
import torch
from torch import Tensor

from sightline.regions.gaze.scanpath import Fixations

_SHORT = 0.01  # seconds, added to every time before the logarithm


def log_times(fixations: Fixations, size: tuple[int, int], *, canvas: tuple[int, int] | None = None) -> Tensor:
    r"""Write at the place of each fixation how long it was since the one before had ended.

    With the end $e_i$ of fixation $i$, its time is $t_i = e_i - e_{i-1}$, and $t_0 = e_0$: the clock starts when the
    image is shown. A pixel of the image file holds, of the last fixation there,

    $$v = \log(t + 0.01) - \log 0.01$$

    and a pixel of the map the sum of the file's pixels on it, over the largest of all sums.

    Args:
        fixations: where the eyes rested, in their order.
        size: height and width of the map, pixels.
        canvas: height and width of a larger black picture, as of `gaze_heatmap`.

    Returns:
        `(1, *size)` float32 in [0, 1], 0 where nothing was looked at; NaN throughout if no time was spent on the image.

    Reference:
        Wang et al. 2024, arXiv:2305.18221 (GazeGNN), and its code. That one rounds the map of the image file to 8 bits
        before it is made small, in which single pixels fade away; takes places left of the image or above it in from
        the far edge; and divides by 0 where no time was spent.
    """
    ends = fixations.start + fixations.duration
    times = np.diff(ends, prepend=0.0).clip(min=0)
    places = np.stack((fixations.y, fixations.x), axis=1)[fixations.inside].astype(int)
    last = dict(zip(map(tuple, places.tolist()), times[fixations.inside].tolist(), strict=True))
    drawn = np.zeros(size)
    for place, time in last.items():
        drawn[_pixel(place, fixations.size, canvas or fixations.size, size)] += np.log1p(time / _SHORT)
    if not drawn.any():
        return torch.full((1, *size), torch.nan)
    return torch.from_numpy((drawn / drawn.max()).astype(np.float32))[None]


def _pixel(
    place: tuple[int, ...], image: tuple[int, int], canvas: tuple[int, int], size: tuple[int, int]
) -> tuple[int, ...]:
    """Row and column of the map on which the middle of a pixel of the image lies."""
    sides = zip(place, image, canvas, size, strict=True)
    return tuple(int((at + (whole - length) // 2 + 0.5) / whole * pixels) for at, length, whole, pixels in sides)
