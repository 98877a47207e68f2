r"""The heatmap foreground loss $L_2$ of the ISNet: relevance inside the region must neither vanish nor explode."""

import torch
from torch import Tensor


def foreground_loss(inside: Tensor, *, least: float, most: float) -> Tensor:
    r"""Penalise a sum of absolute relevance inside the region that leaves its expected range.

    $$L_2 = \begin{cases} (C_1 - g)^2 / C_1^2 & g < C_1 \\ 0 & C_1 \le g \le C_2 \\ (g - C_2)^2 & g > C_2 \end{cases}$$

    Args:
        inside: $g$, `(...)`, not negative.
        least: $C_1 > 0$.
        most: $C_2 \ge C_1$.

    Returns:
        `(...)`.

    Reference:
        Bassi et al. 2024, doi:10.1038/s41467-023-44371-z, eq. 12 to 14.
    """
    return torch.relu(1 - inside / least) ** 2 + torch.relu(inside - most) ** 2
