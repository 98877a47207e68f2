"""A strength that is found rather than set: the Lagrangian multiplier of a constraint on the relevance outside."""

import torch
from torch import Tensor, nn


class Multiplier(nn.Module):
    r"""Raises the strength while too much is looked at outside, and lowers it when there is room.

    The constrained problem *minimise $L_C$ so that the share outside is at most the goal* has the Lagrangian
    $L_C + \lambda L_{heatmap}$; dividing by $1 + \lambda$ gives the ISNet's $(1 - P) L_C + P L_{heatmap}$ with
    $P = \lambda / (1 + \lambda)$. The ascent is on $\log \lambda$, so $\lambda$ stays positive:
    $\log \lambda \leftarrow \log \lambda + \rho\,(\mathrm{outside} - \mathrm{goal}) / \mathrm{goal}$, at most $\rho$ a
    step, and $P$ stays within 0.01 and 0.99.

    Args:
        goal: greatest share of absolute relevance outside the region, in (0, 1).
        rate: $\rho$ of the ascent.
        start: $P$ at the first step.
    """

    log_lambda: Tensor

    def __init__(self, *, goal: float, rate: float = 0.02, start: float = 0.5) -> None:
        super().__init__()
        self.goal, self.rate = goal, rate
        self.register_buffer("log_lambda", torch.logit(torch.tensor(start, dtype=torch.float64)))

    @property
    def strength(self) -> float:
        """$P$ now, in (0, 1)."""
        return float(torch.sigmoid(self.log_lambda))

    def update(self, outside: Tensor) -> None:
        """Take one step of ascent, given the share outside in this batch, scalar; NaN (not measured) takes none."""
        if not bool(outside.isfinite()):
            return
        violation = ((outside.double() - self.goal) / self.goal).clamp(-1, 1)
        self.log_lambda = (self.log_lambda + self.rate * violation.to(self.log_lambda.device)).clamp(-4.6, 4.6)
