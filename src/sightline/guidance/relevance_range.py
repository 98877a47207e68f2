r"""The range from $C_1$ to $C_2$ in which relevance inside a region is as it should be, given or measured."""

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass
class RelevanceRange:
    r"""$C_1$ and $C_2$ of one kind of map, and what has been measured of it so far.

    Attributes:
        least: $C_1$.
        most: $C_2$.
        count: number of sums measured.
        mean: of them.
        squares: sum of their squared distances from the mean.
    """

    least: float
    most: float
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, sums: Tensor) -> None:
        """Take in sums of absolute relevance inside a region, `(n,)`, in a way that keeps their digits.

        Reference:
            Chan et al. 1983, doi:10.1080/00031305.1983.10483115, eq. 2.1.
        """
        if not len(sums):
            return
        values = sums.detach().double()
        count, mean = self.count + len(values), float(values.mean())
        off = mean - self.mean
        self.squares += float((values - mean).square().sum()) + off**2 * self.count * len(values) / count
        self.mean += off * len(values) / count
        self.count = count

    def settle(self) -> None:
        r"""Set the range by what was measured.

        $$C_1 = \max(\mu / 5, \mu - 3\sigma), \qquad C_2 = \min(25 C_1, \mu + 3\sigma)$$

        Where nothing was measured, or nothing but 0, the range stays.

        Reference:
            Bassi et al. 2024, doi:10.1109/ACCESS.2024.3462781, and its code, which measures the relevance of the whole
            image; ours is that inside the region, which $C_1$ and $C_2$ bound.
        """
        if not self.mean > 0:
            return
        deviation = math.sqrt(self.squares / max(1, self.count - 1))
        self.least = max(self.mean / 5, self.mean - 3 * deviation)
        self.most = min(25 * self.least, self.mean + 3 * deviation)
