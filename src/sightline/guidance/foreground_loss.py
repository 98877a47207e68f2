r"""The heatmap foreground loss $L_2$ of the ISNet: relevance inside the region must neither vanish nor explode."""

from typing import Literal

import torch
from torch import Tensor

Excess = Literal["logarithmic", "quadratic"]


def foreground_loss(inside: Tensor, *, least: float, most: float, excess: Excess = "quadratic") -> Tensor:
    r"""Penalise a sum of absolute relevance inside the region that leaves its expected range.

    $$L_2 = \begin{cases} (C_1 - g)^2 / C_1^2 & g < C_1 \\ 0 & C_1 \le g \le C_2 \\ (g - C_2)^2 & g > C_2 \end{cases}$$

    The upper branch is in the unit of relevance, and its gradient drowns all others where a map explodes for a step;
    `logarithmic` puts $\ln^2(g / C_2)$ in its place, which no unit changes.

    Args:
        inside: $g$, `(...)`, not negative.
        least: $C_1 > 0$.
        most: $C_2 \ge C_1$.
        excess: upper branch, `quadratic` as in the paper or `logarithmic`.

    Returns:
        `(...)`.

    Reference:
        Bassi et al. 2024, doi:10.1038/s41467-023-44371-z, eq. 12 to 14.
    """
    over = torch.relu(inside - most) if excess == "quadratic" else torch.log(inside.clamp(min=most) / most)
    return torch.relu(1 - inside / least) ** 2 + over**2
